#include "apache2/request/SetHandler.h"

extern "C" {
#include <ap_expr.h>
}

namespace Passenger {

bool SetHandler::choosesModule(request_rec *r) noexcept {
    const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(r->per_dir_config));
    const char *name = core->handler;
    if (core->expr_handler != nullptr) {
        const char *problem = nullptr;
        name = ap_expr_str_exec(r, core->expr_handler, &problem);
        if (problem != nullptr) {
            // The core refuses the request.
            return true;
        }
    }
    return name != nullptr && *name != '\0' && ap_cstr_casecmp(name, "none") != 0;
}

}  // namespace Passenger
