#include "apache2/request/SpoolCharge.h"

namespace Passenger {

void SpoolCharge::growTo(std::uint64_t size) {
    if (size <= counted_) {
        return;
    }
    if (key_ == 0) {
        key_ = quota_->keyOf(app_);
    }
    const std::uint64_t wanted = (size - counted_ + STEP - 1) / STEP * STEP;
    quota_->take(key_, wanted);
    counted_ += wanted;
}

}  // namespace Passenger
