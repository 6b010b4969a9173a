#pragma once

#include <string>
#include <unordered_map>

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "exchange/ApplicationPool.h"

namespace Passenger {

/**
 * The reusable state of a request in flight. It has a connection to the pool (for one session at a
 * time), the buffers of the environment, and the options of known applications, which it makes of
 * the settings (PassengerThreadCount, PassengerConcurrencyModel,
 * PassengerForceMaxConcurrentRequestsPerProcess).
 *
 * Borrowed from Child for one request, and used by one thread then. A request context whose pool
 * failed is not returned.
 */
class RequestContext {
public:
    /** @param share see RequestOptions::maxInFlight */
    RequestContext(ApplicationPoolPtr pool, unsigned share) : pool_(std::move(pool)), share_(share) {}
    RequestContext(const RequestContext &) = delete;
    RequestContext &operator=(const RequestContext &) = delete;

    ApplicationPool &pool() noexcept { return *pool_; }
    std::string &environment() noexcept { return environment_; }
    std::string &path() noexcept { return path_; }
    /** Valid until the next call. Their variables() are those of `r`. */
    const Options &optionsFor(const request_rec *r, const Route &route);

private:
    /** .htaccess files or mass virtual hosting can make more sets of options than this; the
     *  collection is then cleared. */
    static constexpr std::size_t MAX_OPTIONS = 100;

    Options &find(const Settings &settings, const Route &route);
    Options makeOptions(const Settings &settings, const Settings &global, const Route &route);

    ApplicationPoolPtr pool_;
    const unsigned share_;
    std::string environment_;
    std::string path_;
    // The keys contain all that the options are made of. The address of merged settings is no key,
    // since they live only as long as a request.
    std::unordered_map<std::string, Options> options_;
    /** The options used last, which the next request mostly needs, and their key. */
    Options *last_ = nullptr;
    std::string key_;
    const request_rec *request_ = nullptr;
};

}  // namespace Passenger
