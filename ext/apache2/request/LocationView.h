#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * Applies the `<Location>` and `<If>` sections to a request while the view exists, for a hook of
 * map_to_storage. httpd gives these hooks only the server's settings, though it has matched the
 * sections before. On the stack of the request's thread.
 */
class LocationView {
public:
    explicit LocationView(request_rec *r) : r_(r), after_(r->per_dir_config) {
        if (ap_location_walk(r) == OK) {
            ofLocation_ = r->per_dir_config;
            found_ = ap_if_walk(r) == OK;
        }
    }
    ~LocationView() { r_->per_dir_config = after_; }
    LocationView(const LocationView &) = delete;
    LocationView &operator=(const LocationView &) = delete;

    /** False: httpd failed to match the sections. */
    bool found() const noexcept { return found_; }
    /** The request keeps the settings of `<Location>` after the view ends. httpd itself adds those
     *  of `<If>` again. */
    void keep() noexcept { after_ = ofLocation_; }

private:
    request_rec *r_;
    /** The settings after the view. At first those of the server. */
    ap_conf_vector_t *after_;
    ap_conf_vector_t *ofLocation_ = nullptr;
    bool found_ = false;
};

}  // namespace Passenger
