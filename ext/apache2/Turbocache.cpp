#include "Turbocache.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "CachePolicy.h"
#include "Settings.h"
#include "base/Clock.h"
#include "base/Exceptions.h"

namespace Passenger {

namespace {

using Counters = ResponseCache::Changes::Counters;

Counters *theCounters = nullptr;

apr_status_t giveUpCounters(void *counters) noexcept {
    theCounters = nullptr;
    munmap(counters, sizeof(Counters));
    return APR_SUCCESS;
}

// What asks for another answer than everybody's, or has to be answered by the application itself.
constexpr std::array SPECIAL{
    "Authorization",     "Proxy-Authorization", "Cache-Control",       "Pragma",   "Range",    "Upgrade",
    "If-Modified-Since", "If-None-Match",       "If-Unmodified-Since", "If-Match", "If-Range",
};

// By these a server in front says what the client has asked for; applications make URLs out of them.
constexpr std::array FORWARDED{
    "Host",
    "Forwarded",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Port",
    "X-Forwarded-Ssl",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
};

bool isSafe(const request_rec *r) {
    switch (r->method_number) {
        case M_GET:
        case M_OPTIONS:
        case M_TRACE:
        case M_PROPFIND:
            return true;
        default:
            return false;
    }
}

void append(std::string &key, const char *text) {
    if (text != nullptr) {
        key += text;
    }
    key += '\0';
}

}  // namespace

void Turbocache::prepare(apr_pool_t *pconf) {
    void *memory = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw SystemException("Cannot make the memory that httpd's children share for PassengerTurbocaching", errno);
    }
    theCounters = new (memory) Counters{};
    apr_pool_cleanup_register(pconf, memory, giveUpCounters, apr_pool_cleanup_null);
}

ResponseCache::Changes Turbocache::changes() noexcept {
    return ResponseCache::Changes(theCounters);
}

Turbocache::Turbocache(request_rec *r, const Route &route, ResponseCache &cache, bool hasBody)
    : r_(r), cache_(cache), use_(useFor(hasBody)) {
    if (use_ == Use::NONE) {
        return;
    }
    append(url_, route.appName);
    append(url_, r->uri);
    append(url_, r->args);
    changesBefore_ = cache_.changes().of(url_);
}

Turbocache::Use Turbocache::useFor(bool hasBody) const {
    if (!cache_.changes()) {
        return Use::NONE;
    }
    if (!isSafe(r_)) {
        return Use::CHANGE;
    }
    return r_->method_number == M_GET && !hasBody && isForEverybody() ? Use::ANSWER : Use::NONE;
}

bool Turbocache::isForEverybody() const {
    // A page that stands for another one, of an error or within another, is told of that.
    if (r_->user != nullptr || r_->main != nullptr || (r_->prev != nullptr && r_->prev->status != HTTP_OK) ||
        Settings::of(r_).hasStickySessions()) {
        return false;
    }
    const char *certificate = apr_table_get(r_->subprocess_env, "SSL_CLIENT_VERIFY");
    return (certificate == nullptr || std::strcmp(certificate, "NONE") == 0) &&
           std::none_of(SPECIAL.begin(), SPECIAL.end(),
                        [this](const char *name) { return apr_table_get(r_->headers_in, name) != nullptr; });
}

std::string Turbocache::makeKey() const {
    std::string key = url_;
    append(key, r_->unparsed_uri);
    append(key, ap_http_scheme(r_));
    append(key, apr_table_get(r_->subprocess_env, "HTTPS"));
    append(key, apr_itoa(r_->pool, ap_get_server_port(r_)));
    key.append(reinterpret_cast<const char *>(&r_->server), sizeof(r_->server));
    for (const char *name : FORWARDED) {
        append(key, apr_table_get(r_->headers_in, name));
    }
    return key;
}

bool Turbocache::answer(ResponseSender &sender) {
    if (use_ != Use::ANSWER || cache_.untouched()) {
        return false;
    }
    const MonotonicTime now = SystemClock::instance().now();
    const ResponseCache::AnswerPtr found = cache_.find(makeKey(), url_, now);
    if (!found) {
        return false;
    }
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - found->receivedAt);
    const std::string head = found->head + "Age: " + std::to_string(age.count()) + "\r\n";
    std::string body = found->body;
    Reply reply;
    reply.kind = Reply::Kind::RESPONSE;
    reply.last = true;
    reply.status = static_cast<std::uint16_t>(found->status);
    reply.head = head;
    reply.body = body;
    sender.take(reply, false);
    return true;
}

void Turbocache::note(const Reply &reply, const Session &session) {
    const bool isHead = reply.kind == Reply::Kind::RESPONSE;
    if (use_ == Use::CHANGE && isHead && reply.status < 400) {
        // Before the client learns that it was done.
        cache_.changes().add(url_);
    }
    if (use_ == Use::ANSWER && isHead && r_->header_only == 0) {
        begin(reply, session);
    }
    if (!answer_ || reply.kind == Reply::Kind::INTERIM) {
        return;
    }
    if ((!isHead && reply.kind != Reply::Kind::DATA) ||
        answer_->body.size() + reply.body.size() > ResponseCache::MAX_BODY) {
        answer_.reset();
        return;
    }
    answer_->body.append(reply.body.data(), reply.body.size());
    if (reply.last) {
        const bool whole = !length_ || *length_ == answer_->body.size();
        if (whole) {
            cache_.store(makeKey(), changesBefore_, std::move(answer_));
        }
        answer_.reset();
    }
}

void Turbocache::begin(const Reply &reply, const Session &session) {
    answer_.reset();
    ResponseHead head;
    if (reply.stream || reply.head.size() > ResponseCache::MAX_HEAD || head.parse(reply.head) != nullptr) {
        return;
    }
    const auto fresh = CachePolicy::freshFor(reply.status, head, apr_time_sec(r_->request_time));
    const std::optional<AppVersion> version = fresh ? session.version() : std::nullopt;
    if (!version || (head.contentLength() && *head.contentLength() > ResponseCache::MAX_BODY)) {
        return;
    }
    length_ = head.contentLength();
    const MonotonicTime now = SystemClock::instance().now();
    answer_ = std::make_shared<ResponseCache::Answer>(
        ResponseCache::Answer{reply.status, std::string(reply.head), {}, *version, now, now + *fresh});
}

}  // namespace Passenger
