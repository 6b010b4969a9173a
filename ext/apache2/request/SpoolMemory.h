#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/UsageLedger.h"

namespace Passenger {

/**
 * The memory of the UsageLedger, which httpd's parent makes and its children inherit. It outlives
 * reloads, since children of earlier configurations still have files. Used from the parent's only
 * thread. If the new configuration has no module, httpd closes the descriptor.
 */
namespace SpoolMemory {

/** Takes over the memory that the last load has left. Called as soon as a reload has loaded this
 *  code again. */
void comeBack() noexcept;

/** Makes the memory if there is none. A failure is logged: httpd serves without limits then. */
void prepare(apr_pool_t *pconf, apr_pool_t *plog, server_rec *server);

/** The ledger of this httpd child. @throws IOException (there is no memory), and as UsageLedger's
 *  constructor */
std::unique_ptr<UsageLedger> openLedger();

/** For SpoolQuota::Parts. */
std::uint64_t keyOf(std::string_view app, const UsageLedger::Secret &secret) noexcept;

}  // namespace SpoolMemory

}  // namespace Passenger
