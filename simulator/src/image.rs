//! The firmware of a meter: image transfer of the Blue Book (class 18), with blocks in any order that outlive associations.

use std::time::Duration;

use dlms::ActionResult;
use dlms::axdr::{BitString, Data};
use dlms::cosem::image_transfer::{Block, ImageStatus, Initiation, ToActivate, block_count};
use dlms::cosem::single_action_schedule::Execution;
use jiff::Timestamp;
use models::SecondInitiate;

use crate::Event;
use crate::fault::Faults;

/// Octets of the largest image that a meter takes.
pub(crate) const IMAGE_LIMIT: u32 = 16 << 20;
/// Octets of the longest identifier that a meter takes.
const IDENTIFIER_LIMIT: usize = 64;
/// What an image begins with that names its version.
const VERSION_MARK: &[u8] = b"version: ";
/// The version that meters are made with.
const FIRST_VERSION: &[u8] = b"SIM-1.0";

/// How the meters of a fleet take new firmware. An image may be any octets; the version that the meter shows once the image
/// runs is the rest of its first line, when the image begins with `version: `, and otherwise its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareConfig {
    /// Octets of an image block, 1 to 65536. Default 512.
    pub block_size: u32,
    /// How long verifying takes. The method answers temporary-failure, and so does every further call until the status says
    /// that it is over. Default 0: the method answers success at once.
    pub verify_takes: Duration,
    /// How long activating takes, in the same way. Default 0.
    pub activate_takes: Duration,
    /// Whether the meter restarts to activate: meanwhile it closes every connection on which something comes. Default false.
    pub restarts: bool,
    /// What initiating the same image, by identifier and size, once more does with its blocks. Another image always begins
    /// anew. Default: what the model says.
    pub second_initiate: Option<SecondInitiate>,
}

impl Default for FirmwareConfig {
    fn default() -> Self {
        let (block_size, none) = (512, Duration::ZERO);
        Self { block_size, verify_takes: none, activate_takes: none, restarts: false, second_initiate: None }
    }
}

/// The image transfer object of one meter, and the firmware that runs.
#[derive(Debug)]
pub(crate) struct Image {
    config: FirmwareConfig,
    keeps_blocks: bool,
    /// The version of the image that was activated last.
    version: Vec<u8>,
    enabled: bool,
    status: ImageStatus,
    /// When verifying or activating is over.
    until: Timestamp,
    /// When the schedule activates, as it was written, and the instant that it means.
    scheduled: Option<Execution>,
    due: Option<Timestamp>,
    identifier: Vec<u8>,
    octets: Vec<u8>,
    /// Which blocks have come.
    held: Vec<bool>,
    /// The block that never comes, however often it is sent.
    stuck_block: Option<u32>,
    wrong_identification: bool,
    verify_fails: bool,
    activation_fails: bool,
}

impl Image {
    pub(crate) fn new(config: FirmwareConfig, model: SecondInitiate, faults: &Faults) -> Self {
        Self {
            config,
            keeps_blocks: config.second_initiate.unwrap_or(model) == SecondInitiate::KeepsBlocks,
            version: FIRST_VERSION.to_vec(),
            enabled: true,
            status: ImageStatus::NotInitiated,
            until: Timestamp::MIN,
            scheduled: None,
            due: None,
            identifier: Vec::new(),
            octets: Vec::new(),
            held: Vec::new(),
            stuck_block: faults.stuck_block,
            wrong_identification: faults.wrong_image,
            verify_fails: faults.verify_fails,
            activation_fails: faults.activation_fails,
        }
    }

    /// The same, of a device that was made with another version.
    pub(crate) fn made_with(self, version: &[u8]) -> Self {
        Self { version: version.to_vec(), ..self }
    }

    /// The firmware that runs.
    pub(crate) fn version(&self) -> &[u8] {
        &self.version
    }

    /// The octets of the image transferred last; zeros where blocks are missing.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// The meter restarts and talks with nobody.
    pub(crate) fn restarting(&self) -> bool {
        self.config.restarts && self.status == ImageStatus::Activating
    }

    /// Attributes 2 to 7.
    pub(crate) fn attribute(&self, number: i8) -> Option<Data> {
        Some(match number {
            2 => Data::DoubleLongUnsigned(self.config.block_size),
            3 => self.blocks_status(),
            4 => Data::DoubleLongUnsigned(self.first_missing()),
            5 => Data::Boolean(self.enabled),
            6 => Data::Enum(self.status.code()),
            7 => self.to_activate(),
            _ => return None,
        })
    }

    /// Attribute 3: a bit for each block, set when it is there.
    fn blocks_status(&self) -> Data {
        let mut octets = vec![0; self.held.len().div_ceil(8)];
        for (number, held) in self.held.iter().enumerate() {
            octets[number / 8] |= u8::from(*held) << (7 - number % 8);
        }
        BitString::new(self.held.len(), octets).map_or(Data::NullData, Data::BitString)
    }

    /// Attribute 4: the first block that is missing, or the number of blocks.
    fn first_missing(&self) -> u32 {
        let number = self.held.iter().position(|held| !held).unwrap_or(self.held.len());
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Attribute 7: the image, once it is verified and until it runs. There is no signature.
    fn to_activate(&self) -> Data {
        let mut images = Vec::new();
        if matches!(self.status, ImageStatus::Verified | ImageStatus::Activating) {
            let mut identification = self.identifier.clone();
            if self.wrong_identification {
                identification.extend_from_slice(b"-other");
            }
            let size = u32::try_from(self.octets.len()).unwrap_or(u32::MAX);
            images.push(ToActivate { size, identification, signature: Vec::new() }.to_data());
        }
        Data::Array(images)
    }

    /// Method 1.
    pub(crate) fn initiate(&mut self, initiation: Initiation) -> Result<(), ActionResult> {
        self.ready()?;
        let Initiation { identifier, size } = initiation;
        if !(1..=IMAGE_LIMIT).contains(&size) || !(1..=IDENTIFIER_LIMIT).contains(&identifier.len()) {
            return Err(ActionResult::OtherReason);
        }
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let same = self.identifier == identifier && self.octets.len() == length;
        if !(same && self.keeps_blocks) {
            let blocks = block_count(size, self.config.block_size);
            self.held = vec![false; usize::try_from(blocks).unwrap_or(usize::MAX)];
            self.octets = vec![0; length];
            self.identifier = identifier;
        }
        self.status = ImageStatus::Initiated;
        Ok(())
    }

    /// Method 2. A block that comes again replaces the one before. With `lost`, it is taken and forgotten.
    pub(crate) fn store(&mut self, block: &Block, lost: bool) -> Result<Event, ActionResult> {
        self.ready()?;
        // After a failed verification the missing blocks may still come.
        if !matches!(self.status, ImageStatus::Initiated | ImageStatus::VerificationFailed) {
            return Err(ActionResult::OtherReason);
        }
        let number = usize::try_from(block.number).unwrap_or(usize::MAX);
        let held = self.held.get_mut(number).ok_or(ActionResult::ScopeOfAccessViolated)?;
        let size = usize::try_from(self.config.block_size).unwrap_or(usize::MAX);
        let start = number * size;
        let end = self.octets.len().min(start + size);
        if block.octets.len() != end - start {
            return Err(ActionResult::TypeUnmatched);
        }
        let kept = !lost && self.stuck_block != Some(block.number);
        let new = kept && !*held;
        if kept {
            *held = true;
            self.octets[start..end].copy_from_slice(&block.octets);
        }
        Ok(Event::Block { number: block.number, octets: block.octets.len(), new })
    }

    /// Method 3. An image that is verified stays so.
    pub(crate) fn verify(&mut self, now: Timestamp) -> Result<(), ActionResult> {
        self.ready()?;
        match self.status {
            ImageStatus::Verified => return Ok(()),
            ImageStatus::Initiated | ImageStatus::VerificationFailed => {}
            _ => return Err(ActionResult::OtherReason),
        }
        if self.held.contains(&false) {
            self.status = ImageStatus::VerificationFailed;
            return Err(ActionResult::OtherReason);
        }
        self.start(ImageStatus::Verifying, self.config.verify_takes, self.verify_fails, now)
    }

    /// Method 4, for an image that is verified and for no other.
    pub(crate) fn activate(&mut self, now: Timestamp) -> Result<(), ActionResult> {
        self.ready()?;
        if self.status != ImageStatus::Verified {
            return Err(ActionResult::OtherReason);
        }
        self.start(ImageStatus::Activating, self.config.activate_takes, self.activation_fails, now)
    }

    /// Runs an image that came as a whole, on another way; nothing happens when that fails.
    pub(crate) fn install(&mut self, name: &str, octets: &[u8]) -> Option<Event> {
        if self.activation_fails {
            return None;
        }
        self.octets = octets.to_vec();
        self.identifier = name.as_bytes().to_vec();
        self.status = ImageStatus::Activated;
        self.version = named_version(&self.octets).unwrap_or(&self.identifier).to_vec();
        Some(Event::ImageActivated { identifier: name.to_owned() })
    }

    /// When the schedule activates.
    pub(crate) fn scheduled(&self) -> Option<Execution> {
        self.scheduled
    }

    /// Has the meter activate by itself what is verified when `due` has come. `None` is never.
    pub(crate) fn schedule(&mut self, time: Option<Execution>, due: Option<Timestamp>) {
        self.scheduled = time;
        self.due = due;
    }

    /// Begins what is scheduled, and ends verifying or activating, when its time has come; the activation of an image is told.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Option<(Timestamp, Event)> {
        if let Some(due) = self.due.take_if(|due| *due <= now)
            && self.status == ImageStatus::Verified
        {
            // What a method would answer is of no concern here.
            let _ =
                self.start(ImageStatus::Activating, self.config.activate_takes, self.activation_fails, due);
        }
        if now < self.until {
            return None;
        }
        match self.status {
            ImageStatus::Verifying => {
                let failed = self.verify_fails;
                self.status = if failed { ImageStatus::VerificationFailed } else { ImageStatus::Verified };
                None
            }
            ImageStatus::Activating if self.activation_fails => {
                self.status = ImageStatus::ActivationFailed;
                None
            }
            ImageStatus::Activating => {
                self.status = ImageStatus::Activated;
                self.version = named_version(&self.octets).unwrap_or(&self.identifier).to_vec();
                let identifier = String::from_utf8_lossy(&self.identifier).into_owned();
                Some((self.until, Event::ImageActivated { identifier }))
            }
            _ => None,
        }
    }

    /// Whether a method may do something.
    fn ready(&self) -> Result<(), ActionResult> {
        match self.status {
            _ if !self.enabled => Err(ActionResult::ReadWriteDenied),
            ImageStatus::Verifying | ImageStatus::Activating => Err(ActionResult::TemporaryFailure),
            _ => Ok(()),
        }
    }

    /// Begins what may take time; what takes none says at once whether it fails.
    fn start(
        &mut self,
        status: ImageStatus,
        takes: Duration,
        fails: bool,
        now: Timestamp,
    ) -> Result<(), ActionResult> {
        self.status = status;
        self.until = now.saturating_add(takes).unwrap_or(now);
        match (takes.is_zero(), fails) {
            (false, _) => Err(ActionResult::TemporaryFailure),
            (true, true) => Err(ActionResult::OtherReason),
            (true, false) => Ok(()),
        }
    }
}

/// The version that an image names itself.
fn named_version(image: &[u8]) -> Option<&[u8]> {
    let line = image.strip_prefix(VERSION_MARK)?.split(|octet| *octet == b'\n').next()?;
    (1..=IDENTIFIER_LIMIT).contains(&line.len()).then_some(line)
}

#[cfg(test)]
mod tests {
    use dlms::cosem::image_transfer::missing_blocks;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const FIRST: (&[u8], u32) = (b"V2", 25);

    /// Blocks of ten octets.
    fn image(keeps_blocks: bool, faults: &Faults) -> Image {
        let second = if keeps_blocks { SecondInitiate::KeepsBlocks } else { SecondInitiate::DiscardsBlocks };
        let second_initiate = Some(second);
        let config = FirmwareConfig { block_size: 10, second_initiate, ..FirmwareConfig::default() };
        Image::new(config, SecondInitiate::DiscardsBlocks, faults)
    }

    fn initiate(image: &mut Image, (identifier, size): (&[u8], u32)) -> Result<(), ActionResult> {
        image.initiate(Initiation { identifier: identifier.to_vec(), size })
    }

    /// Whether the block was new.
    fn send(image: &mut Image, number: u32, length: usize) -> Result<bool, ActionResult> {
        match image.store(&Block { number, octets: vec![7; length] }, false)? {
            Event::Block { new, .. } => Ok(new),
            other => panic!("{other:?}"),
        }
    }

    fn missing(image: &Image) -> Vec<u32> {
        let count = u32::try_from(image.held.len()).unwrap();
        missing_blocks(&image.blocks_status(), count).unwrap().collect()
    }

    #[test]
    fn blocks_come_in_any_order_and_more_than_once() {
        let mut image = image(false, &Faults::default());
        assert_eq!(send(&mut image, 0, 10), Err(ActionResult::OtherReason), "nothing was initiated");
        initiate(&mut image, FIRST).unwrap();
        assert_eq!(send(&mut image, 2, 5), Ok(true));
        assert_eq!((missing(&image), image.first_missing()), (vec![0, 1], 0));
        assert_eq!(image.verify(NOW), Err(ActionResult::OtherReason));
        assert_eq!(image.status, ImageStatus::VerificationFailed);
        assert_eq!([send(&mut image, 0, 10), send(&mut image, 0, 10)], [Ok(true), Ok(false)]);
        assert_eq!((missing(&image), image.first_missing()), (vec![1], 1));
        assert_eq!(send(&mut image, 1, 9), Err(ActionResult::TypeUnmatched));
        assert_eq!(send(&mut image, 3, 10), Err(ActionResult::ScopeOfAccessViolated));
        assert_eq!(image.activate(NOW), Err(ActionResult::OtherReason));
        send(&mut image, 1, 10).unwrap();
        assert_eq!((missing(&image), image.first_missing()), (vec![], 3));
        image.verify(NOW).unwrap();
        image.settle(NOW);
        let expected = ToActivate { size: 25, identification: b"V2".to_vec(), signature: vec![] };
        assert_eq!(ToActivate::list_from_data(&image.to_activate()), Ok(vec![expected]));
        assert_eq!((image.octets(), image.version()), (&[7; 25][..], FIRST_VERSION));
        image.activate(NOW).unwrap();
        assert_eq!(image.settle(NOW), Some((NOW, Event::ImageActivated { identifier: "V2".to_owned() })));
        assert_eq!((image.status, image.version()), (ImageStatus::Activated, &b"V2"[..]));
        assert_eq!(image.activate(NOW), Err(ActionResult::OtherReason), "there is nothing left to activate");
    }

    #[test]
    fn the_same_image_goes_on_where_the_meter_keeps_blocks_and_another_never() {
        for (keeps, next, left) in [
            (true, FIRST, vec![0, 2]),
            (false, FIRST, vec![0, 1, 2]),
            (true, (&b"V3"[..], 25), vec![0, 1, 2]),
            (true, (&b"V2"[..], 31), vec![0, 1, 2, 3]),
        ] {
            let mut image = image(keeps, &Faults::default());
            initiate(&mut image, FIRST).unwrap();
            send(&mut image, 1, 10).unwrap();
            initiate(&mut image, next).unwrap();
            assert_eq!(missing(&image), left, "{keeps} {next:?}");
        }
    }

    #[test]
    fn what_takes_time_answers_temporary_failure_until_it_is_over() {
        let takes = Duration::from_secs(5);
        let config =
            FirmwareConfig { verify_takes: takes, activate_takes: takes, ..FirmwareConfig::default() };
        let mut image = Image::new(config, SecondInitiate::DiscardsBlocks, &Faults::default());
        initiate(&mut image, FIRST).unwrap();
        send(&mut image, 0, 25).unwrap();
        let busy = Err(ActionResult::TemporaryFailure);
        assert_eq!([image.verify(NOW), image.verify(NOW), initiate(&mut image, FIRST)], [busy; 3]);
        assert_eq!((image.settle(NOW), image.status), (None, ImageStatus::Verifying));
        image.settle(NOW + takes);
        assert_eq!(image.status, ImageStatus::Verified);
        assert_eq!((image.activate(NOW), image.status), (busy, ImageStatus::Activating));
        assert_eq!(image.version(), FIRST_VERSION);
        assert!(image.settle(NOW + takes).is_some_and(|(at, _)| at == NOW + takes));
        assert_eq!(image.version(), b"V2");
    }

    #[test]
    fn faults_show_where_a_client_must_look() {
        let rules = ["stuck-block=1:1", "wrong-image:1"].map(|rule| rule.parse().unwrap());
        let faults = Faults::of(&rules, 1, 0);
        let mut image = image(true, &faults);
        initiate(&mut image, FIRST).unwrap();
        (0..3).for_each(|number| assert!(send(&mut image, number, if number == 2 { 5 } else { 10 }).is_ok()));
        assert_eq!((missing(&image), send(&mut image, 1, 10)), (vec![1], Ok(false)));
        image.stuck_block = None;
        let block = Block { number: 1, octets: vec![7; 10] };
        assert!(matches!(image.store(&block, true), Ok(Event::Block { new: false, .. })));
        assert_eq!(send(&mut image, 1, 10), Ok(true));
        image.verify(NOW).unwrap();
        image.settle(NOW);
        let shown = ToActivate::list_from_data(&image.to_activate()).unwrap();
        assert_eq!(shown[0].identification, b"V2-other");
    }

    #[test]
    fn an_image_may_name_its_version() {
        assert_eq!(named_version(b"version: 2.0.1\nand code"), Some(&b"2.0.1"[..]));
        assert_eq!(named_version(b"version: 2.0.1"), Some(&b"2.0.1"[..]));
        assert_eq!([named_version(b"version: \n"), named_version(b"2.0.1"), named_version(b"")], [None; 3]);
    }

    #[test]
    fn a_meter_may_fail_to_verify_or_to_activate() {
        let whole = |rule: &str| {
            let mut image = image(false, &Faults::of(&[rule.parse().unwrap()], 1, 0));
            initiate(&mut image, (b"V2", 5)).unwrap();
            send(&mut image, 0, 5).unwrap();
            image
        };
        let failed = Err(ActionResult::OtherReason);
        let mut image = whole("verify-fails:1");
        assert_eq!((image.verify(NOW), image.settle(NOW)), (failed, None));
        assert_eq!(image.status, ImageStatus::VerificationFailed);
        let mut image = whole("activation-fails:1");
        assert_eq!((image.verify(NOW), image.settle(NOW)), (Ok(()), None));
        assert_eq!((image.activate(NOW), image.settle(NOW)), (failed, None));
        assert_eq!((image.status, image.version()), (ImageStatus::ActivationFailed, FIRST_VERSION));
    }

    #[test]
    fn what_is_disabled_or_too_large_is_refused() {
        let mut image = image(true, &Faults::default());
        for wrong in [(&b"V2"[..], 0), (b"V2", IMAGE_LIMIT + 1), (b"", 25), (&[b'v'; 65], 25)] {
            assert_eq!(initiate(&mut image, wrong), Err(ActionResult::OtherReason));
        }
        image.enable(false);
        assert_eq!(initiate(&mut image, FIRST), Err(ActionResult::ReadWriteDenied));
    }
}
