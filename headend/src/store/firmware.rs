//! Firmware images and their octets, which go in and out in pieces.

use jiff_sqlx::Timestamp;
use sqlx::PgTransaction;

use super::audit::{self, Entry};
use super::{Error, Store, failed};

/// Octets of every stored piece of an image but its last one.
pub const CHUNK: usize = 256 << 10;

/// The advisory lock under which images are counted and added.
const ADDING: i64 = 0x6669_726d_7761_7265;

/// A firmware image, without its octets.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Image {
    /// Key.
    pub id: i32,
    /// Name by which people order it.
    pub name: String,
    /// The only model that it is for.
    pub model: String,
    /// What the meter calls it.
    pub identifier: Vec<u8>,
    /// What the meter shows as its version once the image runs.
    pub version: String,
    /// Octets.
    pub size: i32,
    /// SHA-256 of the octets.
    pub sha256: Vec<u8>,
    /// Signature that the meter has to show; empty when none is known.
    pub signature: Vec<u8>,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: Timestamp,
}

/// An image to be kept. Everything was checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Name by which people order it.
    pub name: String,
    /// The only model that it is for.
    pub model: String,
    /// What the meter calls it.
    pub identifier: Vec<u8>,
    /// What the meter shows as its version once the image runs.
    pub version: String,
    /// SHA-256 of the octets.
    pub sha256: [u8; 32],
    /// Signature that the meter has to show; empty when none is known.
    pub signature: Vec<u8>,
    /// Who uploads it.
    pub uploaded_by: String,
}

impl NewImage {
    /// Whether a kept image is this one; who uploaded it does not matter.
    fn is(&self, image: &Image, size: usize) -> bool {
        let header = (&self.model, &self.identifier, &self.version, &self.signature);
        header == (&image.model, &image.identifier, &image.version, &image.signature)
            && image.sha256 == self.sha256
            && usize::try_from(image.size) == Ok(size)
    }
}

/// What came of keeping an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is kept now.
    New(Image),
    /// It was kept before.
    Known(Image),
    /// Another one has its name.
    NameTaken,
    /// There are as many as there may be.
    Full,
}

impl Store {
    /// Keeps an image of these octets, as a whole or not at all, as long as there are fewer than `most`. An image that is new has `entry` in
    /// the audit.
    ///
    /// # Errors
    /// Every [`Error`] of the server; nothing was kept then, unless the answer to the commit was lost.
    pub async fn keep_image(
        &self,
        image: &NewImage,
        octets: &[u8],
        most: u32,
        entry: &Entry,
    ) -> Result<Kept, Error> {
        let failed = failed("store::firmware::keep");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        sqlx::query("/* store::firmware::keep */ SELECT pg_advisory_xact_lock($1)")
            .bind(ADDING)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        if let Some(known) = self.image(&image.name).await? {
            return Ok(if image.is(&known, octets.len()) { Kept::Known(known) } else { Kept::NameTaken });
        }
        let count: i64 =
            sqlx::query_scalar("/* store::firmware::keep */ SELECT count(*) FROM firmware_image")
                .fetch_one(&mut *transaction)
                .await
                .map_err(&failed)?;
        if count >= i64::from(most) {
            return Ok(Kept::Full);
        }
        let kept = insert(&mut transaction, image, octets).await?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Kept::New(kept))
    }

    /// The image of that name.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, Error> {
        let query =
            sqlx::query_as("/* store::firmware::image */ SELECT * FROM firmware_image WHERE name = $1");
        query.bind(name).fetch_optional(self.pool()).await.map_err(failed("store::firmware::image"))
    }

    /// All images, by name.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        let query =
            sqlx::query_as("/* store::firmware::images */ SELECT * FROM firmware_image ORDER BY name");
        query.fetch_all(self.pool()).await.map_err(failed("store::firmware::images"))
    }

    /// What the installations that have not ended are about: the arguments of their orders.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn open_installations(&self) -> Result<Vec<Vec<u8>>, Error> {
        let query = sqlx::query_scalar(concat!(
            "/* store::firmware::open */ SELECT DISTINCT o.arguments FROM command c JOIN command_order o ON o.id = c.order_id
             WHERE ",
            super::commands::is_open!(),
            " AND c.kind = 'install_firmware' AND o.arguments IS NOT NULL"
        ));
        query.fetch_all(self.pool()).await.map_err(failed("store::firmware::open"))
    }

    /// Deletes an image with its octets, with `entry` in the audit; false when there is none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn delete_image(&self, name: &str, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::firmware::delete");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let query = sqlx::query("/* store::firmware::delete */ DELETE FROM firmware_image WHERE name = $1");
        let deleted = query.bind(name).execute(&mut *transaction).await.map_err(&failed)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }

    /// Piece `number`, from 0, of the octets of the image with this name and hash; `None` when there is none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn image_chunk(
        &self,
        name: &str,
        sha256: &[u8],
        number: i32,
    ) -> Result<Option<Vec<u8>>, Error> {
        let query = sqlx::query_scalar(
            "/* store::firmware::chunk */ SELECT c.octets FROM firmware_image i JOIN firmware_chunk c ON c.image_id = i.id
             WHERE i.name = $1 AND i.sha256 = $2 AND c.number = $3",
        );
        let query = query.bind(name).bind(sha256).bind(number);
        query.fetch_optional(self.pool()).await.map_err(failed("store::firmware::chunk"))
    }
}

async fn insert(
    transaction: &mut PgTransaction<'_>,
    image: &NewImage,
    octets: &[u8],
) -> Result<Image, Error> {
    let failed = failed("store::firmware::insert");
    let query = sqlx::query_as::<_, Image>(
        "/* store::firmware::insert */
         INSERT INTO firmware_image (name, model, identifier, version, size, sha256, signature, uploaded_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *",
    );
    let size = i32::try_from(octets.len()).map_err(|_| Error::Refused {
        statement: "store::firmware::insert",
        code: "22003".into(),
        detail: format!("{} octets are more than an image can have", octets.len()),
    })?;
    let query = query.bind(&image.name).bind(&image.model).bind(&image.identifier).bind(&image.version);
    let query = query.bind(size).bind(&image.sha256[..]).bind(&image.signature).bind(&image.uploaded_by);
    let kept = query.fetch_one(&mut **transaction).await.map_err(&failed)?;
    for (number, chunk) in (0_i32..).zip(octets.chunks(CHUNK)) {
        sqlx::query(
            "/* store::firmware::insert */ INSERT INTO firmware_chunk (image_id, number, octets) VALUES ($1, $2, $3)",
        )
        .bind(kept.id)
        .bind(number)
        .bind(chunk)
        .execute(&mut **transaction)
        .await
        .map_err(&failed)?;
    }
    Ok(kept)
}
