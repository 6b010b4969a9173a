#include "apache2/request/UploadBody.h"

#include "apache2/config/Settings.h"

namespace Passenger {

int UploadBody::buffer() {
    if (!present() || !(Settings::of(r_).bufferUpload || source_.isSmall() || source_.headMayChange())) {
        return 0;
    }
    return source_.readWhole(buffered_.emplace(SpoolCharge(quota_, app_)));
}

const char *UploadBody::contentLength() const {
    return buffered_ ? apr_psprintf(r_->pool, "%" APR_UINT64_T_FMT, static_cast<apr_uint64_t>(buffered_->size()))
                     : source_.contentLength();
}

FileDescriptor UploadBody::describe(MessageRequest &request) {
    if (!buffered_) {
        request.bodyFollows = present();
        return {};
    }
    request.bodyFollows = !buffered_->fitsInline(request.environment.size());
    if (!request.bodyFollows) {
        request.body = *buffered_->whole();
    }
    FileDescriptor file = buffered_->file();
    request.bodyFile = file.get();
    request.bodyFileSize = buffered_->size();
    request.bodyFileGiven = [this](DescriptorSender application) { buffered_->given(application); };
    request.bodyInPieces = [this] { quota_.count(UsageLedger::Effect::BODY_IN_PIECES); };
    return file;
}

}  // namespace Passenger
