/// The check of a frame (CRC-16, polynomial A001 reflected, from FFFF): low octet first on the wire (serial line 1.02, 2.5.1.2).
pub fn check(octets: &[u8]) -> [u8; 2] {
    let mut sum = u16::MAX;
    for octet in octets {
        sum ^= u16::from(*octet);
        for _ in 0..8 {
            let carry = sum & 1;
            sum >>= 1;
            if carry == 1 {
                sum ^= 0xA001;
            }
        }
    }
    sum.to_le_bytes()
}

/// Appends the check of what stands behind `start`.
pub(crate) fn seal(out: &mut Vec<u8>, start: usize) {
    let check = check(&out[start..]);
    out.extend_from_slice(&check);
}

/// Whether these octets end with the check of what stands before.
pub(crate) fn is_whole(frame: &[u8]) -> bool {
    frame.split_last_chunk::<2>().is_some_and(|(octets, found)| check(octets) == *found)
}
