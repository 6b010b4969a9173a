#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * Applies the `<Location>` sections of the URL to a request while the view exists, for a hook of
 * map_to_storage. httpd gives these hooks only the server's settings, though it has matched the
 * sections before. On the stack of the request's thread.
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

    /** False: httpd failed to match the sections. */
    bool found() const noexcept {
        return found_;
    }
    /** The request keeps the settings after the view ends. */
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
