//! A proxy before a node that passes everything on, and lies where it is told to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use reqwest::{Client, Url};

/// From what the node answers at a path to what the liar says.
pub type Lie = Box<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;
type Told = Arc<Mutex<Option<Arc<Lie>>>>;

/// A proxy that lies.
pub struct Liar {
    pub root: Url,
    lie: Told,
}

#[derive(Clone)]
struct Shared {
    node: Url,
    client: Client,
    lie: Told,
}

impl Liar {
    /// One before the node at `node`, which is honest at first.
    pub async fn start(node: Url) -> Self {
        let lie = Told::default();
        let client = Client::builder().no_proxy().build().unwrap();
        let shared = Shared { node, client, lie: lie.clone() };
        let router = Router::new().fallback(pass).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { root, lie }
    }

    /// Tells it what to say from now on.
    pub fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap() = Some(Arc::new(lie));
    }

    /// Makes it honest again.
    pub fn repent(&self) {
        *self.lie.lock().unwrap() = None;
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().trim_start_matches('/');
    let answer = shared.client.get(shared.node.join(path).unwrap()).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut bytes = answer.bytes().await.unwrap().to_vec();
    let lie = shared.lie.lock().unwrap().clone();
    if let Some(lie) = lie {
        bytes = lie(path, bytes);
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    for name in [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY, header::CACHE_CONTROL] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
