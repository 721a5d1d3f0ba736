use crate::Error;
use crate::apdu::{GeneralBlock, tag};
use crate::gbt::{Limits, Progress, Transfer};

/// Blocks that we take in one go from a sender that waits for a word.
const WINDOW: u8 = 8;

/// Puts together what one sender pushes in general block transfer, and passes everything else on as it is.
#[derive(Debug)]
pub struct Pieces {
    limit: usize,
    /// Memory is taken only while a push is under way.
    transfer: Option<Box<Transfer>>,
    /// A block of the push under way was lost, and what is left of it is worth nothing.
    is_lost: bool,
}

impl Pieces {
    /// Puts together pushes of at most `limit` octets.
    pub const fn new(limit: usize) -> Self {
        Self { limit, transfer: None, is_lost: false }
    }

    /// Takes an APDU as it came and returns the push when it is whole. When the sender waits for a word before it goes on, that is
    /// appended to `out`.
    ///
    /// # Errors
    /// Those of [`Transfer::handle`]: the push is lost, what is left of it is passed over, and the next one may come.
    pub fn take<'a>(&'a mut self, apdu: &'a [u8], out: &mut Vec<u8>) -> Result<Option<&'a [u8]>, Error> {
        if apdu.first() != Some(&tag::GENERAL_BLOCK_TRANSFER) {
            return Ok(Some(apdu));
        }
        let block = GeneralBlock::decode(apdu)?;
        if self.is_lost && block.number != 1 {
            return Ok(None);
        }
        let limits = Limits { window: WINDOW, pdu: self.limit, received: self.limit };
        let is_new = |transfer: &Transfer| {
            transfer.is_left_behind_by(apdu) || (block.number == 1 && transfer.is_whole())
        };
        let under_way = self.transfer.take().filter(|transfer| !is_new(transfer));
        let mut transfer = under_way.unwrap_or_else(|| Box::new(Transfer::answering(limits)));
        let progress = transfer.handle(apdu);
        self.is_lost = progress.is_err();
        let progress = progress?;
        match progress {
            Progress::Due => drop(transfer.poll(out)),
            // Nothing is sent back that would say so.
            Progress::Whole if block.window > 0 => transfer.confirm(out),
            _ => {}
        }
        let transfer = self.transfer.insert(transfer);
        Ok((progress == Progress::Whole).then(|| &*transfer.received()))
    }
}
