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
#include "exchange/Session.h"

namespace Passenger {

/**
 * PassengerTurbocaching for one request: answers it from the child's ResponseCache, notes what the application answers, and notices that something was changed.
 * A request that asks for something special (a user, a range, a condition, no cached answer) neither gets a cached answer nor leaves one.
 *
 * On the stack of the request's thread. Before it httpd has checked who may see the URL.
 */
class Turbocache {
public:
    /** In httpd's parent: makes what its children share, for as long as the configuration lives. @throws SystemException */
    static void prepare(apr_pool_t *pconf);
    /** For Child's ResponseCache. */
    static ResponseCache::Changes changes() noexcept;

    Turbocache(request_rec *r, const Route &route, ResponseCache &cache, bool hasBody);

    /** @return whether `sender` has got all of the answer */
    bool answer(ResponseSender &sender);
    /** Sees each reply before `sender` takes it. */
    void note(const Reply &reply, const Session &session, ResponseSender &sender);

private:
    enum class Use { NONE, ANSWER, CHANGE };

    Use useFor(bool hasBody) const;
    bool isForEverybody() const;
    std::string makeKey() const;
    void noteLocations(const ResponseHead *head);
    void begin(const Reply &reply, const Session &session, const ResponseHead *head);

    request_rec *r_;
    ResponseCache &cache_;
    Use use_;
    /** What a change of it makes worthless: application, path and query, each with a NUL behind it. In the request's memory. */
    std::string_view url_;
    /** How much of url_ stands for the application. */
    std::size_t appNameSize_ = 0;
    std::uint32_t changesBefore_ = 0;
    /** Being gathered; null: not to be kept. */
    std::shared_ptr<ResponseCache::Answer> answer_;
    std::optional<std::uint64_t> length_;
};

}  // namespace Passenger
