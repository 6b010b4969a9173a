#include "apache2/request/SpoolMemory.h"

#include <unistd.h>

#include <tuple>
#include <utility>

extern "C" {
#include <apr_siphash.h>
}

#include "apache2/httpd/Retained.h"
#include "base/Exceptions.h"

namespace Passenger {

namespace {

/** The state that outlives the unloading of the module. */
struct LeftMemory {
    Retained::Left left;
    int descriptor;
};

// A change of this layout or of the ledger's needs a new name.
constexpr const char *RETAINED_NAME = "mod_passenger/spool/3";

/** In the parent, and in a child until its ledger has it; -1: none. */
int theDescriptor = -1;
pid_t theOwner = 0;
apr_pool_t *thePlog = nullptr;

LeftMemory &retained() {
    return Retained::data<LeftMemory>(RETAINED_NAME);
}

/** The cleanup of pconf. Also runs in children, which keep nothing for the next load. */
apr_status_t leave(void * /*unused*/) {
    if (theDescriptor < 0 || getpid() != theOwner) {
        return APR_SUCCESS;
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
        LeftMemory &keep = retained();
        keep.descriptor = theDescriptor;
        keep.left.leave(thePlog, {theDescriptor});
    } else {
        close(theDescriptor);
    }
    theDescriptor = -1;
    return APR_SUCCESS;
}

}  // namespace

void SpoolMemory::comeBack() noexcept {
    LeftMemory &keep = retained();
    if (keep.left.takeOver({&keep.descriptor})) {
        theDescriptor = keep.descriptor;
    }
    keep.left.present = false;
}

void SpoolMemory::prepare(apr_pool_t *pconf, apr_pool_t *plog, server_rec *server) {
    if (!Retained::isForService()) {
        return;
    }
    theOwner = getpid();
    thePlog = plog;
    try {
        if (theDescriptor < 0) {
            theDescriptor = UsageLedger::make().descriptor().duplicate().release();
        }
    } catch (const SystemException &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "event=spool.not_counted reason=\"%s\"", problem.what());
    }
    apr_pool_cleanup_register(pconf, nullptr, leave, apr_pool_cleanup_null);
}

std::unique_ptr<UsageLedger> SpoolMemory::openLedger() {
    if (theDescriptor < 0) {
        throw IOException("httpd's parent could not make the memory; its log has the reason");
    }
    return std::make_unique<UsageLedger>(FileDescriptor(std::exchange(theDescriptor, -1)));
}

std::uint64_t SpoolMemory::keyOf(std::string_view app, const UsageLedger::Secret &secret) noexcept {
    static_assert(std::tuple_size_v<UsageLedger::Secret> == APR_SIPHASH_KSIZE);
    const apr_uint64_t key = apr_siphash24(app.data(), app.size(), secret.data());
    return key == 0 ? 1 : key;
}

}  // namespace Passenger
