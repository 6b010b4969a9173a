#include "apache2/response/InterimAnswers.h"

#include "apache2/httpd/PoolText.h"

namespace Passenger {

namespace {

/** An application that sends more for one request is faulty. */
constexpr int MOST = 16;

}  // namespace

const char *InterimAnswers::take(const Reply &reply, bool late) {
    if (reply.status == HTTP_SWITCHING_PROTOCOLS || reply.status < 100 || reply.status > 199) {
        return "an upgrade that the client did not ask for";
    }
    // httpd itself sends 100 when it begins to read the body. The bridge sends one 100 of its own,
    // which does not count.
    const bool counts = reply.status != HTTP_CONTINUE || continued_;
    continued_ = continued_ || !counts;
    if (counts && ++count_ > MOST) {
        return "too many interim answers for one request";
    }
    if (reply.status == HTTP_CONTINUE || late) {
        return nullptr;
    }
    ResponseHead head;
    if (const char *problem = head.parse(reply.head)) {
        return problem;
    }
    send(reply.status, head);
    return nullptr;
}

void InterimAnswers::send(int status, const ResponseHead &head) {
    // The headers of the previous interim answer have been sent.
    if (pool_ == nullptr) {
        apr_pool_create(&pool_, r_->pool);
    } else {
        apr_pool_clear(pool_);
    }
    apr_table_t *saved = r_->headers_out;
    r_->headers_out = apr_table_make(pool_, 8);
    for (const ResponseHead::Header &header : head.headers()) {
        apr_table_addn(r_->headers_out, copyInto(pool_, header.name), copyInto(pool_, header.value));
    }
    const int before = r_->status;
    r_->status = status;
    r_->status_line = ap_get_status_line_ex(r_->pool, status);
    ap_send_interim_response(r_, 1);
    r_->headers_out = saved;
    r_->status = before;
    r_->status_line = nullptr;
}

}  // namespace Passenger
