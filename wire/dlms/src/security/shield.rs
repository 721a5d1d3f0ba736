use zeroize::Zeroizing;

use super::{
    Cipher, Counters, Envelope, GlobalKeys, Key, SecurityControl, SecurityPolicy, Suite, SystemTitle,
    Wrapping, dedicated_tag, global_tag,
};
use crate::apdu::tag;
use crate::initiate::InitiateRequest;
use crate::{Downgrade, Error};

/// How a protected APDU is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealAs {
    /// In the ciphered APDU of its own service; in a general one when its service has none.
    Service,
    /// In a general ciphering APDU with our title.
    General,
    /// In a general ciphering APDU whose title is empty, as some meters want it.
    Nameless,
}

/// With which key an APDU is protected, and how it is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// With the key of this association only, instead of the global one.
    pub(crate) dedicated: bool,
    pub(crate) wrap: SealAs,
}

impl Manner {
    /// Under the global key.
    pub(crate) const fn global(wrap: SealAs) -> Self {
        Self { dedicated: false, wrap }
    }
}

/// The protection of one association: who talks to whom, with which keys, what is sent and demanded, and how far the
/// peer has counted.
#[derive(Debug)]
pub(crate) struct Shield {
    keys: GlobalKeys,
    cipher: Cipher,
    own: SystemTitle,
    peer: SystemTitle,
    send: SecurityPolicy,
    demand: SecurityPolicy,
    /// Counter of the peer's last authentic APDU.
    last: Option<u32>,
    dedicated: Option<Dedicated>,
}

/// The key of this association only. Both sides begin to count anew under it.
#[derive(Debug)]
struct Dedicated {
    cipher: Cipher,
    counters: Counters,
    last: Option<u32>,
}

impl Shield {
    /// `last` is the peer's last counter, when one is known from before.
    pub(crate) fn new(
        keys: GlobalKeys,
        (own, peer): (SystemTitle, SystemTitle),
        (send, demand): (SecurityPolicy, SecurityPolicy),
        last: Option<u32>,
    ) -> Self {
        let cipher = keys.cipher();
        Self { keys, cipher, own, peer, send, demand, last, dedicated: None }
    }

    /// From here on there is a key of this association only.
    pub(crate) fn dedicate(&mut self, key: &Key) {
        let (cipher, counters) = (self.keys.dedicated(key), Counters::new(0, u32::MAX));
        self.dedicated = Some(Dedicated { cipher, counters, last: None });
    }

    /// The cipher under the global keys, and their suite.
    pub(crate) fn global(&self) -> (&Cipher, Suite) {
        (&self.cipher, self.keys.suite)
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// Longest APDU that has at most `limit` octets when it is protected and wrapped so.
    pub(crate) fn room(&self, limit: usize, wrap: SealAs) -> usize {
        let Some(control) = self.send.control(self.keys.suite) else { return limit };
        let header = match wrap {
            SealAs::Service => 0,
            SealAs::General => 1 + self.own.octets().len(),
            SealAs::Nameless => 1,
        };
        Envelope::room(limit.saturating_sub(header), control)
    }

    /// Whether APDUs are protected at all.
    pub(crate) const fn is_ciphered(&self) -> bool {
        self.send.is_ciphered()
    }

    /// Whether there is a key of this association only.
    pub(crate) const fn is_dedicated(&self) -> bool {
        self.dedicated.is_some()
    }

    /// Appends an initiate request to `out`, protected under the global key with a counter of `counters`.
    pub(crate) fn seal_initiate(
        &self,
        wrap: SealAs,
        counters: &mut Counters,
        request: &InitiateRequest,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut plain = Zeroizing::new(Vec::new());
        request.encode(&mut plain);
        let policy = self.send.for_initiate(request);
        seal_first(&self.keys, policy, (&self.own, wrap), counters.take()?, &plain, out)
    }

    /// Appends `plain`, protected as the policy says, to `out`. A counter of `counters` is spent unless the key is dedicated.
    pub(crate) fn seal(
        &mut self,
        manner: Manner,
        counters: &mut Counters,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some(control) = self.send.control(self.keys.suite) else {
            out.extend_from_slice(plain);
            return Ok(());
        };
        let (cipher, counter) = match &mut self.dedicated {
            Some(dedicated) if manner.dedicated => (&dedicated.cipher, dedicated.counters.take()?),
            _ => (&self.cipher, counters.take()?),
        };
        let wrapping = wrapping(manner, &self.own, plain)?;
        Envelope { wrapping, control, counter }.seal(cipher, &self.own, plain, out)
    }

    /// Unprotects in place what the peer sent, moves its counter on, and says how it was protected.
    ///
    /// The counter is judged after the tag, so only an authentic APDU moves it.
    pub(crate) fn open<'a>(&mut self, apdu: &'a mut [u8]) -> Result<(&'a [u8], Manner), Error> {
        let outside = *apdu.first().ok_or(Error::Truncated)?;
        if !Envelope::is_tag(outside) {
            return match self.demand {
                SecurityPolicy::None => Ok((apdu, Manner::global(SealAs::Service))),
                _ if is_plain(outside) => Err(Error::Downgrade(Downgrade::Clear)),
                _ => Err(Error::Unexpected { tag: outside }),
            };
        }
        let (envelope, body) = Envelope::read(apdu)?;
        let manner = manner(envelope.wrapping);
        check(envelope.control, self.demand, self.keys.suite)?;
        let (cipher, last) = match &mut self.dedicated {
            Some(dedicated) if manner.dedicated => (&dedicated.cipher, &mut dedicated.last),
            _ if manner.dedicated => return Err(Error::Unexpected { tag: outside }),
            _ => (&self.cipher, &mut self.last),
        };
        let plain = envelope.open(cipher, &self.peer, body)?;
        if let Some(last) = *last
            && envelope.counter <= last
        {
            return Err(Error::CounterReplayed { last, got: envelope.counter });
        }
        *last = Some(envelope.counter);
        Ok((plain, manner))
    }
}

/// Appends `plain`, protected as `policy` says, to `out`, before the peer's title is known.
pub(crate) fn seal_first(
    keys: &GlobalKeys,
    policy: SecurityPolicy,
    (own, wrap): (&SystemTitle, SealAs),
    counter: u32,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let control = policy.control(keys.suite).ok_or(Error::Misuse("there is no protection to apply"))?;
    let wrapping = wrapping(Manner::global(wrap), own, plain)?;
    Envelope { wrapping, control, counter }.seal(&keys.cipher(), own, plain, out)
}

/// The APDU around one that `own` sends.
fn wrapping(manner: Manner, own: &SystemTitle, plain: &[u8]) -> Result<Wrapping, Error> {
    let tag = *plain.first().ok_or(Error::Truncated)?;
    let of_service = if manner.dedicated { dedicated_tag(tag) } else { global_tag(tag) };
    let title = (manner.wrap != SealAs::Nameless).then_some(*own);
    Ok(match (manner.wrap, manner.dedicated, of_service) {
        (SealAs::Service, false, Some(_)) => Wrapping::Global(tag),
        (SealAs::Service, true, Some(_)) => Wrapping::Dedicated(tag),
        (_, false, _) => Wrapping::GeneralGlobal(title),
        (_, true, _) => Wrapping::GeneralDedicated(title),
    })
}

fn manner(wrapping: Wrapping) -> Manner {
    let (dedicated, wrap) = match wrapping {
        Wrapping::Global(_) => (false, SealAs::Service),
        Wrapping::Dedicated(_) => (true, SealAs::Service),
        Wrapping::GeneralGlobal(title) => (false, general(title)),
        Wrapping::GeneralDedicated(title) => (true, general(title)),
    };
    Manner { dedicated, wrap }
}

fn general(title: Option<SystemTitle>) -> SealAs {
    if title.is_some() { SealAs::General } else { SealAs::Nameless }
}

/// Whether an APDU protected as `control` says may come.
fn check(control: SecurityControl, demand: SecurityPolicy, suite: Suite) -> Result<(), Error> {
    let agreed = demand.control(suite).map_or(suite.number(), SecurityControl::octet);
    let got = control.octet();
    if control.suite()? != suite || control.is_broadcast() {
        return Err(Error::Protection { expected: agreed, got });
    }
    if !demand.is_met_by(control) {
        return Err(Error::Downgrade(Downgrade::Protection { agreed, got }));
    }
    Ok(())
}

/// Whether an APDU with this tag is one that protection would have been around.
fn is_plain(outside: u8) -> bool {
    global_tag(outside).is_some() || matches!(outside, tag::EXCEPTION_RESPONSE | tag::DATA_NOTIFICATION)
}
