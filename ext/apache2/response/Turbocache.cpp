#include "apache2/response/Turbocache.h"

#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>

#include "apache2/config/Settings.h"
#include "apache2/request/CgiEnvironment.h"
#include "apache2/response/CachePolicy.h"
#include "base/Clock.h"
#include "base/Exceptions.h"
#include "base/HttpText.h"
#include "base/SystemClock.h"

extern "C" {
#include <apr_optional.h>
#include <apr_uri.h>
}

APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup, (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

namespace Passenger {

namespace {

using Counters = ResponseCache::Changes::Counters;

Counters *theCounters = nullptr;
pid_t theOwner = 0;

/** The memory stays in a child that ends, since its threads may still use it. */
apr_status_t giveUpCounters(void *counters) noexcept {
    if (getpid() == theOwner) {
        theCounters = nullptr;
        munmap(counters, sizeof(Counters));
    }
    return APR_SUCCESS;
}

// Headers that ask for an individual answer, or for one of the application itself.
constexpr std::array SPECIAL{
    "Authorization",     "Proxy-Authorization", "Cache-Control",       "Pragma",   "Range",    "Upgrade",
    "If-Modified-Since", "If-None-Match",       "If-Unmodified-Since", "If-Match", "If-Range",
};

// In these headers, and in those that begin with FORWARDED, a server in front of httpd says what
// the client has asked for and who the client is. Applications make URLs and pages of them.
constexpr std::string_view FORWARDED = "X-Forwarded-";
constexpr std::array<std::string_view, 13> FROM_THE_FRONT{
    "Host",          "Forwarded",     "X-Original-URL",  "X-Rewrite-URL", "X-HTTP-Method-Override",
    "X-Remote-User", "Remote-User",   "X-Original-Host", "X-Host",        "X-Scheme",
    "X-Url-Scheme",  "X-Script-Name", "Front-End-Https",
};

/** The client's address does not count, as in REMOTE_ADDR. */
bool isFromTheFront(std::string_view header) {
    if (HttpText::equalsIgnoringCase(header.substr(0, FORWARDED.size()), FORWARDED)) {
        return !HttpText::equalsIgnoringCase(header, "X-Forwarded-For");
    }
    return std::any_of(FROM_THE_FRONT.begin(), FROM_THE_FRONT.end(),
                       [header](std::string_view name) { return HttpText::equalsIgnoringCase(header, name); });
}

bool isSafe(const request_rec *r) {
    switch (r->method_number) {
        case M_GET:
        case M_OPTIONS:
        case M_TRACE:
        case M_PROPFIND: return true;
        default: return false;
    }
}

/** @return whether the client has authenticated itself by TLS */
bool hasCertificate(request_rec *r) {
    auto *lookup = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    if (lookup == nullptr) {
        return false;
    }
    static char name[] = "SSL_CLIENT_VERIFY";
    const char *verified = lookup(r->pool, r->server, r->connection, r, name);
    return verified != nullptr && *verified != '\0' && std::strcmp(verified, "NONE") != 0;
}

/** The path of a URL in an answer, as httpd would have it in a request for that URL. Null: the URL
 *  is malformed, or of another host. Scheme and port are not compared: the cache may forget a page
 *  too many. */
const char *pathOnThisHost(request_rec *r, std::string_view url, apr_uri_t &parsed) {
    if (apr_uri_parse(r->pool, apr_pstrmemdup(r->pool, url.data(), url.size()), &parsed) != APR_SUCCESS ||
        (parsed.hostname != nullptr && strcasecmp(parsed.hostname, ap_get_server_name(r)) != 0 &&
         (r->hostname == nullptr || strcasecmp(parsed.hostname, r->hostname) != 0))) {
        return nullptr;
    }
    if (parsed.path == nullptr || *parsed.path == '\0') {
        return parsed.hostname != nullptr ? "/" : r->uri;
    }
    if (ap_unescape_url(parsed.path) != OK) {
        return nullptr;
    }
    char *path = *parsed.path == '/' ? parsed.path
                                     : ap_make_full_path(r->pool, ap_make_dirstr_parent(r->pool, r->uri), parsed.path);
    ap_getparents(path);
    ap_no2slash(path);
    return path;
}

void append(std::string &key, const char *text) {
    if (text != nullptr) {
        key += text;
    }
    key += '\0';
}

/** Appends the entries with such a name, and an empty name behind them. */
template <typename IsChosen> void appendChosen(std::string &key, const apr_table_t *table, IsChosen isChosen) {
    const apr_array_header_t *entries = apr_table_elts(table);
    const auto *entry = reinterpret_cast<const apr_table_entry_t *>(entries->elts);
    for (int i = 0; i < entries->nelts; ++i) {
        if (isChosen(entry[i].key)) {
            append(key, entry[i].key);
            append(key, entry[i].val);
        }
    }
    key += '\0';
}

/** Joins the parts, each with a NUL behind it. */
std::string_view joined(apr_pool_t *pool, std::span<const std::string_view> parts) {
    std::size_t size = parts.size();
    for (const std::string_view part : parts) {
        size += part.size();
    }
    char *const text = static_cast<char *>(apr_pcalloc(pool, size));
    char *at = text;
    for (const std::string_view part : parts) {
        at = std::copy(part.begin(), part.end(), at) + 1;
    }
    return {text, size};
}

}  // namespace

void Turbocache::prepare(apr_pool_t *pconf) {
    void *memory = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    throwUnless(memory != MAP_FAILED, "Cannot make the memory that httpd's children share for PassengerTurbocaching");
    theOwner = getpid();
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
    const std::array<std::string_view, 3> parts{route.appName, r->uri, r->args != nullptr ? r->args : ""};
    appNameSize_ = parts[0].size() + 1;
    url_ = joined(r->pool, parts);
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
    // The application knows when it makes an error page, a part of another page or the page behind
    // a rewritten URL, and may answer differently.
    if (r_->user != nullptr || r_->main != nullptr || r_->prev != nullptr || Settings::of(r_).stickySessions) {
        return false;
    }
    return !hasCertificate(r_) && std::none_of(SPECIAL.begin(), SPECIAL.end(), [this](const char *name) {
        return apr_table_get(r_->headers_in, name) != nullptr;
    });
}

std::string Turbocache::makeKey() const {
    std::string key(url_);
    append(key, r_->unparsed_uri);
    append(key, ap_http_scheme(r_));
    append(key, apr_table_get(r_->subprocess_env, "HTTPS"));
    append(key, apr_itoa(r_->pool, ap_get_server_port(r_)));
    const auto server = reinterpret_cast<std::uintptr_t>(r_->server);
    key.append(reinterpret_cast<const char *>(&server), sizeof(server));
    // The application also sees the variables of SetEnvIf, mod_rewrite and other modules.
    appendChosen(key, r_->subprocess_env, [](std::string_view name) {
        return !CgiEnvironment::isReserved(name) && !CgiEnvironment::isIdentifier(name);
    });
    appendChosen(key, r_->headers_in, isFromTheFront);
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

void Turbocache::note(const Reply &reply, const MessageSession &session, ResponseSender &sender) {
    const bool isHead = reply.kind == Reply::Kind::RESPONSE;
    if (use_ == Use::CHANGE && isHead && reply.status < 400) {
        // The cache forgets the page before the client learns of the change.
        cache_.changes().add(url_);
        noteLocations(sender.readHead(reply));
    }
    if (reply.ends() && !reply.last && reply.kind != Reply::Kind::REFUSED) {
        noteBreak();
    }
    if (use_ == Use::ANSWER && isHead && r_->header_only == 0) {
        begin(reply, session, sender.readHead(reply));
    }
    if (!answer_ || reply.kind == Reply::Kind::INTERIM) {
        return;
    }
    // The cache keeps no trailer fields.
    if ((!isHead && reply.kind != Reply::Kind::DATA) || !reply.trailers.empty() ||
        answer_->body.size() + reply.body.size() > ResponseCache::MAX_BODY) {
        answer_.reset();
        return;
    }
    answer_->body.append(reply.body.data(), reply.body.size());
    if (reply.last) {
        const bool whole = !length_ || *length_ == answer_->body.size();
        if (whole) {
            cache_.store(key_, changesBefore_, std::move(answer_));
        }
        answer_.reset();
    }
}

void Turbocache::noteBreak() {
    // The application may have made the change all the same.
    if (use_ == Use::CHANGE) {
        cache_.changes().add(url_);
    }
}

/** A change affects the URLs that the answer names, too (RFC 9111, section 4.4). URLs of other
 *  hosts do not count. */
void Turbocache::noteLocations(const ResponseHead *head) {
    if (head == nullptr) {
        return;
    }
    const ResponseHead::Headers &headers = head->headers();
    for (const char *name : {"Location", "Content-Location"}) {
        // An answer has one of each. A change can make other applications' pages be forgotten, too.
        const auto header = std::find_if(headers.begin(), headers.end(), [name](const ResponseHead::Header &one) {
            return HttpText::equalsIgnoringCase(one.name, name);
        });
        if (header == headers.end()) {
            continue;
        }
        apr_uri_t location;
        const char *path = pathOnThisHost(r_, header->value, location);
        if (path != nullptr) {
            std::string url(url_.substr(0, appNameSize_));
            append(url, path);
            append(url, location.query);
            cache_.changes().add(url);
        }
    }
}

void Turbocache::begin(const Reply &reply, const MessageSession &session, const ResponseHead *head) {
    answer_.reset();
    if (head == nullptr || reply.stream || reply.head.size() > ResponseCache::MAX_HEAD) {
        return;
    }
    // A second that has begun counts as over: no answer is given after its Expires.
    const auto fresh = CachePolicy::freshFor(reply.status, *head, apr_time_sec(apr_time_now()) + 1);
    const std::optional<AppVersion> version = fresh ? session.version() : std::nullopt;
    if (!version || (head->contentLength() && *head->contentLength() > ResponseCache::MAX_BODY)) {
        return;
    }
    // httpd's output filters may change the variables later.
    key_ = makeKey();
    length_ = head->contentLength();
    const MonotonicTime now = SystemClock::instance().now();
    answer_ = std::make_shared<ResponseCache::Answer>(
        ResponseCache::Answer{reply.status, std::string(reply.head), {}, *version, now, now + *fresh});
}

}  // namespace Passenger
