#pragma once

#include <string>
#include <unordered_map>

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "exchange/ApplicationPool.h"

namespace Passenger {

/**
 * What a request under way needs for itself, kept for the next one: a way to the pool (which holds one session at a time), the buffers of
 * its environment, the options of the applications it has seen.
 *
 * Borrowed from Child for one request, used by one thread then. A request context whose pool failed is not given back.
 */
class RequestContext {
public:
    /** @param share as Options::maxInFlight */
    RequestContext(ApplicationPoolPtr pool, unsigned share) : pool_(std::move(pool)), share_(share) {}
    RequestContext(const RequestContext &) = delete;
    RequestContext &operator=(const RequestContext &) = delete;

    ApplicationPool &pool() noexcept {
        return *pool_;
    }
    std::string &environment() noexcept {
        return environment_;
    }
    std::string &path() noexcept {
        return path_;
    }
    /** Valid until the next call. Their variables() are those of `r`. */
    const Options &optionsFor(const request_rec *r, const Route &route);

private:
    /** More sets of options than this come from .htaccess files or mass virtual hosting; then it begins anew. */
    static constexpr std::size_t MAX_OPTIONS = 1'000;

    Options &find(const Settings &settings, const Route &route);
    Options makeOptions(const Settings &settings, const Settings &global, const Route &route);

    ApplicationPoolPtr pool_;
    const unsigned share_;
    std::string environment_;
    std::string path_;
    // By all that they are made of: merged settings live only as long as a request, so their address says nothing.
    std::unordered_map<std::string, Options> options_;
    /** The last ones, which are the next ones mostly; and what they were found by. */
    Options *last_ = nullptr;
    std::string key_;
    const request_rec *request_ = nullptr;
};

}  // namespace Passenger
