#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * While it lives, a hook of map_to_storage sees what `<Location>` sections say of the URL, too: httpd shows these hooks the settings of the server alone,
 * though it has compared the URL with the sections before. On the stack of the request's thread.
 */
class LocationView {
public:
    explicit LocationView(request_rec *r) : r_(r), ofServer_(r->per_dir_config), found_(ap_location_walk(r) == OK) {}
    ~LocationView() {
        if (!kept_) {
            r_->per_dir_config = ofServer_;
        }
    }
    LocationView(const LocationView &) = delete;
    LocationView &operator=(const LocationView &) = delete;

    /** False: httpd could not tell. */
    bool found() const noexcept {
        return found_;
    }
    /** The request keeps what is seen. */
    void keep() noexcept {
        kept_ = true;
    }

private:
    request_rec *r_;
    ap_conf_vector_t *const ofServer_;
    const bool found_;
    bool kept_ = false;
};

}  // namespace Passenger
