#pragma once

#include "apache2/httpd/Httpd.h"
#include "apache2/response/ResponseHead.h"
#include "exchange/Reply.h"

namespace Passenger {

/**
 * Passes an application's 1xx answers on to the client, in constant memory and up to a limit. A
 * part of ResponseSender, with its thread.
 */
class InterimAnswers {
public:
    explicit InterimAnswers(request_rec *r) : r_(r) {}

    /** @param late the final head came before, so the interim answer is dropped @return the
     *  problem, or null */
    const char *take(const Reply &reply, bool late);

private:
    void send(int status, const ResponseHead &head);

    request_rec *r_;
    /** For the headers of one interim answer. */
    apr_pool_t *pool_ = nullptr;
    int count_ = 0;
    bool continued_ = false;
};

}  // namespace Passenger
