#include "apache2/request/RequestNotes.h"

#include <chrono>
#include <string_view>

#include "apache2/httpd/PoolText.h"
#include "apache2/httpd/RequestSubject.h"
#include "apache2/request/RequestId.h"

namespace Passenger::RequestNotes {

namespace {

std::string_view valueOf(const apr_table_t *table, const char *name) {
    const char *value = apr_table_get(table, name);
    return value != nullptr ? value : "";
}

void setTime(request_rec *r, const char *name, std::chrono::nanoseconds time) {
    apr_table_setn(r->notes, name, apr_off_t_toa(r->pool, static_cast<apr_off_t>(time.count() / 1000)));
}

}  // namespace

void begin(request_rec *r, const char *app) {
    apr_table_setn(r->notes, RequestSubject::APP, app);
    const std::string_view id =
        RequestId::choose(valueOf(r->headers_in, "X-Request-Id"), valueOf(r->headers_in, "traceparent"),
                          valueOf(r->subprocess_env, "UNIQUE_ID"));
    if (!id.empty()) {
        apr_table_setn(r->notes, RequestSubject::ID, copyInto(r->pool, id));
    }
}

void setAnswer(request_rec *r, const MessageSession &session) {
    if (const auto times = session.times()) {
        setTime(r, "PASSENGER_QUEUE_TIME", times->queue);
        setTime(r, "PASSENGER_SERVICE_TIME", times->service);
    }
    if (const pid_t instance = session.instance(); instance > 0) {
        apr_table_setn(r->notes, "PASSENGER_PID", apr_itoa(r->pool, instance));
    }
}

void setTransferred(request_rec *r) {
    apr_table_setn(r->notes, "PASSENGER_TRANSFERRED", "1");
}

const char *id(const request_rec *r) {
    return apr_table_get(r->notes, RequestSubject::ID);
}

const char *subject(const request_rec *r) {
    return RequestSubject::fields(r);
}

}  // namespace Passenger::RequestNotes
