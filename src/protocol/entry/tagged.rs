//! Enums with fields: on the ledger a number and the variant's fields, in text an object with
//! the variant's name under `type` and the same fields.
//!
//! Serde's own way with a `type` forgets where an error was, and with a variant without fields
//! ignores whatever else is there. So all fields that any variant has are read first, and then
//! compared with those of the one that is named.

/// Declares such an enum: each variant's number on the ledger, its name in text, its fields;
/// then every field's type once more, without an `Option` around it.
///
/// What else is derived is written above the enum: utoipa's `ToSchema` names things that it
/// finds only where its own name comes from the same place as the fields.
macro_rules! tagged {
    (
        $(#[$doc:meta])*
        pub enum $name:ident $(<$parameter:ident>)? {
            $(
                $(#[$variant_doc:meta])*
                $number:literal $tag:literal => $variant:ident $({
                    $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
                })?,
            )+
        }
        fields { $($all:ident: $all_type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum $name $(<$parameter>)? {
            $($(#[$variant_doc])* $variant $({ $($(#[$field_doc])* $field: $type,)* })?,)+
        }

        codec::numbered! {
            $name $(<$parameter>)? {
                $($number => $variant { $($($field: $field),*)? },)+
            }
        }

        const _: () = {
            #[derive(serde::Deserialize)]
            #[serde(rename_all = "snake_case")]
            enum Tag { $($variant,)+ }

            #[derive(serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Fields $(<$parameter>)? {
                r#type: Tag,
                $(#[serde(default = "Option::default")] $all: Option<$all_type>,)*
            }

            impl $(<$parameter>)? Fields $(<$parameter>)? {
                /// A field that is still there.
                fn rest(&self) -> Option<&'static str> {
                    $(if self.$all.is_some() { return Some(stringify!($all)); })*
                    None
                }
            }

            impl<'de $(, $parameter: serde::Deserialize<'de>)?> serde::Deserialize<'de>
                for $name $(<$parameter>)?
            {
                #[allow(unused_mut, reason = "an enum may have no fields to take out")]
                fn deserialize<D: serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> Result<Self, D::Error> {
                    let mut fields = Fields $(::<$parameter>)?::deserialize(deserializer)?;
                    let (tag, value) = match fields.r#type {
                        $(Tag::$variant => ($tag, Self::$variant {
                            $($($field: crate::protocol::entry::tagged::FromField::from_field(
                                fields.$field.take(),
                            ).ok_or_else(|| serde::de::Error::custom(
                                concat!("`", $tag, "` needs `", stringify!($field), "`"),
                            ))?,)*)?
                        }),)+
                    };
                    match fields.rest() {
                        None => Ok(value),
                        Some(rest) => Err(serde::de::Error::custom(
                            format_args!("`{tag}` has no `{rest}`"),
                        )),
                    }
                }
            }
        };
    };
}
pub(super) use tagged;

/// What a field is made of, if it was given or need not be.
pub(super) trait FromField<T>: Sized {
    /// The field, of what was read.
    fn from_field(read: Option<T>) -> Option<Self>;
}

impl<T> FromField<T> for T {
    fn from_field(read: Option<T>) -> Option<T> {
        read
    }
}

impl<T> FromField<T> for Option<T> {
    fn from_field(read: Option<T>) -> Option<Self> {
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::codec;
    use crate::protocol::json;

    tagged! {
        /// One variant of each sort.
        pub enum Sample<A> {
            /// Has nothing.
            1 "nothing" => Nothing,
            /// Has something.
            7 "something" => Something {
                /// Must be there.
                needed: A,
                /// May be.
                #[serde(skip_serializing_if = "Option::is_none")]
                perhaps: Option<u8>,
            },
        }
        fields { needed: A, perhaps: u8, }
    }

    fn read(text: &str) -> Result<Sample<u8>, String> {
        let wrapped = format!(r#"{{"in": [{text}]}}"#);
        let read = json::from_str::<std::collections::BTreeMap<String, Vec<Sample<u8>>>>(&wrapped);
        match read {
            Ok(mut read) => Ok(read.remove("in").unwrap().remove(0)),
            Err(error) => Err(format!("{}: {}", error.path, error.message)),
        }
    }

    #[test]
    fn text_and_bytes_and_back() {
        let cases = [
            (r#"{"type":"nothing"}"#, Sample::Nothing, &[1][..]),
            (
                r#"{"type":"something","needed":5}"#,
                Sample::Something { needed: 5, perhaps: None },
                &[7, 5, 0],
            ),
            (
                r#"{"type":"something","needed":5,"perhaps":6}"#,
                Sample::Something { needed: 5, perhaps: Some(6) },
                &[7, 5, 1, 6],
            ),
        ];
        for (text, value, bytes) in cases {
            assert_eq!(read(text).as_ref(), Ok(&value));
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(codec::encode(&value), bytes);
            assert_eq!(codec::decode::<Sample<u8>>(bytes, bytes.len()), Ok(value));
        }
        // Wherever the type stands among the fields.
        let turned = read(r#"{"perhaps":6,"needed":5,"type":"something"}"#);
        assert_eq!(turned, Ok(Sample::Something { needed: 5, perhaps: Some(6) }));
        for number in [0, 2, 6, 8, 255] {
            assert!(codec::decode::<Sample<u8>>(&[number, 5, 0], 3).is_err(), "{number}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases = [
            ("{}", "in[0]: missing field `type`"),
            (r#"{"type":"other"}"#, "in[0].type: unknown variant `other`"),
            (r#"{"type":"something"}"#, "in[0]: `something` needs `needed`"),
            (r#"{"type":"something","needed":null}"#, "in[0]: `something` needs `needed`"),
            (r#"{"type":"nothing","needed":5}"#, "in[0]: `nothing` has no `needed`"),
            (r#"{"type":"nothing","perhaps":5}"#, "in[0]: `nothing` has no `perhaps`"),
            (r#"{"type":"nothing","colour":5}"#, "in[0]: unknown field `colour`"),
            (r#"{"type":"something","needed":"5"}"#, "in[0].needed: invalid type: string"),
            (r#"{"type":"something","needed":256}"#, "in[0].needed: invalid value"),
            (r#"{"type":"nothing","type":"nothing"}"#, "in[0]: duplicate field `type`"),
            (r#""nothing""#, "in[0]: invalid type: string"),
            (r#"["nothing"]"#, "in[0]: invalid type: sequence"),
        ];
        for (text, message) in cases {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{message:?} expected for {text}, not {error:?}");
        }
    }
}
