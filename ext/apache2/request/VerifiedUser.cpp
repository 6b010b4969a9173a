#include "apache2/request/VerifiedUser.h"

namespace Passenger::VerifiedUser {

namespace {

constexpr const char *NOTE = "passenger-user-verified";

}  // namespace

void note(request_rec *r) {
    if (r->user != nullptr) {
        apr_table_setn(r->notes, NOTE, "1");
    }
}

const char *of(const request_rec *r) {
    const request_rec *heir = r;
    while (heir->prev != nullptr || heir->main != nullptr) {
        const request_rec *earlier = heir->prev != nullptr ? heir->prev : heir->main;
        // An inherited name is the same text in memory.
        if (earlier->user != r->user) {
            break;
        }
        if (heir->prev != nullptr && apr_table_get(earlier->notes, NOTE) == nullptr) {
            return nullptr;
        }
        heir = earlier;
    }
    return r->user;
}

}  // namespace Passenger::VerifiedUser
