use super::enumeration;
use crate::Error;
use crate::axdr::Data;
use crate::cosem::{array, octets, structure};
use crate::security::{Key, PrivateKey, PublicKey, Purpose};

/// A key of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyId {
    /// Global unicast encryption key.
    UnicastEncryption,
    /// Global broadcast encryption key.
    BroadcastEncryption,
    /// Authentication key.
    Authentication,
    /// Master key: what others are wrapped under.
    Master,
}

impl KeyId {
    /// What the key is for, which a key agreement has to say.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Master => Purpose::Wrapping,
            _ => Purpose::Ciphering,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::UnicastEncryption => 0,
            Self::BroadcastEncryption => 1,
            Self::Authentication => 2,
            Self::Master => 3,
        }
    }

    fn decode(data: &Data) -> Result<Self, Error> {
        match enumeration(data, "key id")? {
            0 => Ok(Self::UnicastEncryption),
            1 => Ok(Self::BroadcastEncryption),
            2 => Ok(Self::Authentication),
            3 => Ok(Self::Master),
            got => Err(Error::Value { what: "key id", got: u32::from(got) }),
        }
    }
}

/// The parameter of method 2: new keys, wrapped under the meter's present `master` key.
///
/// # Errors
/// Those of [`Key::wrap`].
pub fn key_transfer(master: &Key, keys: &[(KeyId, &Key)]) -> Result<Data, Error> {
    let wrapped = keys.iter().map(|(id, key)| Ok(entry(*id, master.wrap(key)?)));
    wrapped.collect::<Result<_, _>>().map(Data::Array)
}

/// The parameter of method 3: an ephemeral public key for each key to be agreed on, signed with `signing`, whose public key the meter has.
///
/// # Errors
/// Those of [`PrivateKey::sign`].
pub fn key_agreement(signing: &PrivateKey, ephemeral: &[(KeyId, PublicKey)]) -> Result<Data, Error> {
    // The signature is over key-id and key, so that nobody can pass the key for one off as that for another.
    let introduced =
        ephemeral.iter().map(|(id, key)| Ok(entry(*id, signing.introduce(key, &[id.number()])?)));
    introduced.collect::<Result<_, _>>().map(Data::Array)
}

/// What method 3 returns: the meter's own ephemeral public keys. The key is then [`share`](PrivateKey::share)d with ours and
/// [derived](crate::security::SharedSecret::derive) for its [purpose](KeyId::purpose), the client being the originator.
///
/// # Errors
/// [`Error::DataType`], [`Error::Length`], [`Error::Value`]; those of [`PublicKey::introduced`] when the owner of `signer` did not sign.
pub fn decode_key_agreement(data: &Data, signer: &PublicKey) -> Result<Vec<(KeyId, PublicKey)>, Error> {
    let decode = |entry| {
        let [id, introduced] = structure(entry, "key agreement data")?;
        let id = KeyId::decode(id)?;
        let key = signer.introduced(octets(introduced, "ephemeral key with signature")?, &[id.number()])?;
        Ok((id, key))
    };
    array(data, "key agreement data")?.iter().map(decode).collect()
}

fn entry(id: KeyId, octets: Vec<u8>) -> Data {
    Data::Structure(vec![Data::Enum(id.number()), Data::OctetString(octets)])
}
