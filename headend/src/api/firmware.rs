//! `ami.v1.FirmwareService`.

mod upload;

use std::sync::Arc;

use ami_proto::v1::{
    Command, DeleteImageRequest, DeleteImageResponse, FirmwareImage, FirmwareOrder, GetImageRequest,
    GetImageResponse, ImageHeader, InstallFirmwareRequest, InstallFirmwareResponse, ListImagesRequest,
    ListImagesResponse, UploadImageRequest, UploadImageResponse, firmware_service_server::FirmwareService,
};
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use super::orders::{self, Asker, Wanted};
use super::status::Refusal;
use super::{Limits, Models, Parts, check, convert};
use crate::store::firmware::Image;
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The service.
#[derive(Debug)]
pub(super) struct Firmware {
    store: Store,
    models: Arc<Models>,
    limits: Limits,
    uploads: Semaphore,
}

impl Firmware {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            store: parts.store.clone(),
            models: parts.models.clone(),
            limits: parts.limits.clone(),
            uploads: Semaphore::new(parts.limits.uploads),
        }
    }

    async fn find(&self, field: &'static str, name: &str) -> Result<Image, Refusal> {
        upload::name(field, name)?;
        self.store.image(name).await?.ok_or_else(|| Refusal::ImageNotFound { name: name.into() })
    }

    async fn upload(
        &self,
        asker: &Asker,
        mut parts: Streaming<UploadImageRequest>,
    ) -> Result<UploadImageResponse, Status> {
        let header = upload::header(&mut parts).await?;
        let kept = match upload::octets(&mut parts, &header, &self.models, &self.limits).await {
            Ok(octets) => upload::keep(&self.store, asker, &header, &octets, &self.limits).await,
            Err(upload::Failed::Refused(refusal)) => Err(refusal),
            Err(upload::Failed::Broken(status)) => return Err(status),
        };
        let (image, is_new) = asker.audited(&self.store, header.name, kept).await?;
        Ok(UploadImageResponse { image: Some(shown(image)), is_new })
    }

    async fn install(
        &self,
        asker: &Asker,
        request: &InstallFirmwareRequest,
    ) -> Result<Vec<Command>, Refusal> {
        let target = request.meter_serials.join(" ");
        let checked = asker.audited(&self.store, target, self.check(request).await).await?;
        let wanted = Wanted {
            kind: CommandKind::InstallFirmware,
            meter_serials: &request.meter_serials,
            terms: request.terms.as_ref(),
            arguments: Some(checked.encode_to_vec()),
            reason_needed: false,
        };
        orders::place(&self.store, asker, wanted, |meter| self.is_capable(&checked, meter)).await
    }

    /// Deletes an image, unless it is being installed. An order that slips in meanwhile ends by saying that its image is gone.
    async fn delete(&self, asker: &Asker, name: &str) -> Result<(), Refusal> {
        upload::name("name", name)?;
        for arguments in self.store.open_installations().await? {
            let order = FirmwareOrder::decode(arguments.as_slice()).map_err(|_| Refusal::Internal)?;
            if order.image.is_some_and(|image| image.name == name) {
                return Err(Refusal::ImageInUse { name: name.into() });
            }
        }
        match self.store.delete_image(name, &asker.entry(name.into(), "accepted", None)).await? {
            true => Ok(()),
            false => Err(Refusal::ImageNotFound { name: name.into() }),
        }
    }

    /// What is ordered, when there is such an image and its time is to come.
    async fn check(&self, request: &InstallFirmwareRequest) -> Result<FirmwareOrder, Refusal> {
        let image = self.find("image", &request.image).await?;
        if let Some(at) = &request.activate_at
            && check::instant("activate_at", at)? <= Timestamp::now()
        {
            return Err(Refusal::field("activate_at", "an instant that is to come is expected"));
        }
        Ok(FirmwareOrder { image: shown(image).header, activate_at: request.activate_at })
    }

    fn is_capable(&self, order: &FirmwareOrder, meter: &Meter) -> Result<(), String> {
        let model = orders::model(&self.models, meter)?;
        if !model.takes_firmware() {
            return Err(format!("meters of model {} take no firmware from afar", model.name));
        }
        if let Some(image) = order.image.as_ref().filter(|image| image.model != model.name) {
            return Err(format!("image {} is for model {}, not {}", image.name, image.model, model.name));
        }
        let schedule = model.firmware.as_ref().and_then(|firmware| firmware.activation_schedule);
        if order.activate_at.is_some() && schedule.is_none() {
            return Err(format!("meters of model {} activate firmware only at once", model.name));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl FirmwareService for Firmware {
    async fn upload_image(
        &self,
        request: Request<Streaming<UploadImageRequest>>,
    ) -> Result<Response<UploadImageResponse>, Status> {
        let asker = Asker::of(&request, "FirmwareService/UploadImage")?;
        let limit = self.limits.uploads;
        let _turn = self.uploads.try_acquire().map_err(|_| Refusal::TooManyUploads { limit })?;
        Ok(Response::new(self.upload(&asker, request.into_inner()).await?))
    }

    async fn get_image(
        &self,
        request: Request<GetImageRequest>,
    ) -> Result<Response<GetImageResponse>, Status> {
        let image = self.find("name", &request.into_inner().name).await?;
        Ok(Response::new(GetImageResponse { image: Some(shown(image)) }))
    }

    async fn list_images(
        &self,
        _request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let images = self.store.images().await.map_err(Refusal::from)?;
        Ok(Response::new(ListImagesResponse { images: images.into_iter().map(shown).collect() }))
    }

    async fn delete_image(
        &self,
        request: Request<DeleteImageRequest>,
    ) -> Result<Response<DeleteImageResponse>, Status> {
        let asker = Asker::of(&request, "FirmwareService/DeleteImage")?;
        let name = request.into_inner().name;
        let deleted = self.delete(&asker, &name).await;
        asker.audited(&self.store, name, deleted).await?;
        Ok(Response::new(DeleteImageResponse {}))
    }

    async fn install_firmware(
        &self,
        request: Request<InstallFirmwareRequest>,
    ) -> Result<Response<InstallFirmwareResponse>, Status> {
        let asker = Asker::of(&request, "FirmwareService/InstallFirmware")?;
        let commands = self.install(&asker, &request.into_inner()).await?;
        Ok(Response::new(InstallFirmwareResponse { commands }))
    }
}

/// An image as clients see it.
fn shown(image: Image) -> FirmwareImage {
    FirmwareImage {
        uploaded_by: image.uploaded_by,
        uploaded_at: Some(convert::stored(image.uploaded_at)),
        header: Some(ImageHeader {
            name: image.name,
            model: image.model,
            identifier: image.identifier,
            version: image.version,
            size: image.size.unsigned_abs(),
            sha256: image.sha256,
            signature: image.signature,
        }),
    }
}
