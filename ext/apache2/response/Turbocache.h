#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "apache2/response/ResponseCache.h"
#include "apache2/response/ResponseSender.h"
#include "exchange/MessageSession.h"

namespace Passenger {

/**
 * PassengerTurbocaching for one request: answers from the child's ResponseCache, stores answers of
 * the application, and records changes of a URL. A special request neither gets nor stores a cached
 * answer: one with a user, a range, a condition, or Cache-Control, or one that httpd has redirected
 * internally.
 *
 * On the stack of the request's thread. httpd has checked the access to the URL before.
 */
class Turbocache {
public:
    /** In httpd's parent: makes the memory that its children share, with the life of pconf. @throws
     *  SystemException */
    static void prepare(apr_pool_t *pconf);
    /** The counters for Child's ResponseCache. */
    static ResponseCache::Changes changes() noexcept;

    Turbocache(request_rec *r, const Route &route, ResponseCache &cache, bool hasBody);

    /** @return whether `sender` has got the whole answer */
    bool answer(ResponseSender &sender);
    /** Called with each reply before `sender` takes it. */
    void note(const Reply &reply, const MessageSession &session, ResponseSender &sender);
    /** Called where a request ends without a reply, or without the last one. */
    void noteBreak();

private:
    enum class Use { NONE, ANSWER, CHANGE };

    Use useFor(bool hasBody) const;
    bool isForEverybody() const;
    std::string makeKey() const;
    void noteLocations(const ResponseHead *head);
    void begin(const Reply &reply, const MessageSession &session, const ResponseHead *head);

    request_rec *r_;
    ResponseCache &cache_;
    Use use_;
    /** The URL as the cache knows it: application, path and query, each with a NUL behind it. In
     *  the request's pool. */
    std::string_view url_;
    /** The size of the application's part of url_. */
    std::size_t appNameSize_ = 0;
    std::uint32_t changesBefore_ = 0;
    /** The answer that is being collected; null: it is not to be stored. */
    std::shared_ptr<ResponseCache::Answer> answer_;
    /** The key of `answer_`. */
    std::string key_;
    std::optional<std::uint64_t> length_;
};

}  // namespace Passenger
