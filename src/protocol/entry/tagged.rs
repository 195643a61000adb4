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
