//! Strict JSON: an object for each struct, a string for each name, errors that say where.
//!
//! Serde alone reads a struct from an array too, and a name such as `goodwill` from
//! `{"goodwill": null}`. [`Strict`] wraps a deserializer and everything inside it, refuses
//! both, and notes the path to whatever fails.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The longest message about a JSON text, in characters: it may quote the text.
const MAX_MESSAGE_CHARACTERS: usize = 400;

/// What is wrong with a JSON text, and where.
pub(super) struct JsonError {
    /// The path to the value at fault, such as `lines[3].amount`; empty for the whole.
    pub path: String,
    /// What is wrong, with line and column where the text isn't even JSON.
    pub message: String,
}

/// Reads the one JSON value in `text`.
pub(super) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, JsonError> {
    let path = Path::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(Strict { inner: &mut json, path: &path });
    read.and_then(|value| json.end().map(|()| value))
        .map_err(|error| JsonError { path: path.to_string(), message: describe(&error) })
}

/// The message, on one line and bounded. The place only of what is not JSON: other errors
/// have a path.
fn describe(error: &serde_json::Error) -> String {
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = if error.is_data() { full.strip_suffix(&place).unwrap_or(&full) } else { &full };
    message
        .chars()
        .take(MAX_MESSAGE_CHARACTERS)
        .map(
            |character| {
                if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
            },
        )
        .collect()
}

/// The way to what failed, innermost first; filled on the way out.
#[derive(Default)]
struct Path(RefCell<Vec<Segment>>);

enum Segment {
    Field(String),
    Item(usize),
}

impl Path {
    /// Notes that `result` failed at `segment`, if it did.
    fn note<T, E>(&self, result: Result<T, E>, segment: impl FnOnce() -> Segment) -> Result<T, E> {
        result.inspect_err(|_| self.0.borrow_mut().push(segment()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.borrow().iter().rev().enumerate() {
            match segment {
                Segment::Field(name) if place == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A deserializer, visitor, seed or access that is strict, all the way down.
struct Strict<'p, T> {
    inner: T,
    path: &'p Path,
}

/// Forwards what has nothing inside it.
macro_rules! plain {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.inner.$method(visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    /// A value of no stated type. None of the types that are read asks for one: serde would
    /// keep it aside and read from there, out of this module's sight.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(de::Error::custom("not a value that is read here"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(Strict { inner: visitor, path: self.path })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_seq(Strict { inner: visitor, path: self.path })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Strict { inner: visitor, path: self.path })
    }

    /// As a map, so that an array is none.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_map(visitor)
    }

    /// As a string, so that an object is none.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let name = Text.deserialize(self.inner)?;
        visitor.visit_enum(StrDeserializer::new(&name))
    }

    /// As it is: `serde_json` hands over raw text by this name.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    plain! {
        deserialize_bool deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i64 deserialize_str deserialize_string deserialize_identifier
        deserialize_ignored_any
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict { inner, path: self.path })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Items { inner, path: self.path, next: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Fields { inner, path: self.path, key: Cow::Borrowed("") })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Strict { inner, path: self.path })
    }
}

/// The items of an array.
struct Items<'p, A> {
    inner: A,
    path: &'p Path,
    /// The index of the next.
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let index = self.next;
        self.next = index.saturating_add(1);
        let item = self.inner.next_element_seed(Strict { inner: seed, path: self.path });
        self.path.note(item, || Segment::Item(index))
    }
}

/// The fields of an object.
struct Fields<'p, 'de, A> {
    inner: A,
    path: &'p Path,
    /// The name of the field whose value comes next.
    key: Cow<'de, str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.inner.next_key_seed(Text)? else { return Ok(None) };
        self.key = key;
        match &self.key {
            Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
            Cow::Owned(key) => seed.deserialize(StrDeserializer::new(key)),
        }
        .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.inner.next_value_seed(Strict { inner: seed, path: self.path });
        self.path.note(value, || Segment::Field(self.key.clone().into_owned()))
    }
}

/// Reads a string, in place where it is spelled without escapes.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
