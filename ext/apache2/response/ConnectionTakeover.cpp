#include "apache2/response/ConnectionTakeover.h"

#include <chrono>
#include <utility>

#include "apache2/httpd/PoolText.h"
#include "apache2/response/HijackedConnection.h"

namespace Passenger {

namespace {

/** The time that an instance has to receive clients' sockets that it has asked for. */
constexpr std::chrono::milliseconds MOMENT{100};
constexpr std::chrono::milliseconds PATIENCE{10000};

}  // namespace

std::optional<ConnectionTakeover::Failure> ConnectionTakeover::take(Reply &reply) {
    if (std::optional<Failure> failure = prepare(reply)) {
        return failure;
    }
    if (apr_table_get(r_->headers_in, "Upgrade") != nullptr) {
        r_->status = HTTP_SWITCHING_PROTOCOLS;  // for the access log
    }
    return passOn(reply);
}

std::optional<ConnectionTakeover::Failure> ConnectionTakeover::takeAfterHead(Reply &reply, const ResponseHead &head) {
    if (std::optional<Failure> failure = prepare(reply)) {
        return failure;
    }
    if (const char *problem = HijackedConnection::sendHead(r_, head)) {
        return impossible(problem);
    }
    headSent_ = true;
    streamStart_ = {copyInto(r_->pool, {reply.body.data(), reply.body.size()}), reply.body.size()};
    return passOn(reply);
}

void ConnectionTakeover::relay(std::span<char> buffer) {
    HijackedConnection(r_, std::move(stream_), streamStart_).relay(buffer);
}

/** A connection that this process can give away needs none of its threads; wantsClient of other
 *  replies becomes false. */
std::optional<ConnectionTakeover::Failure> ConnectionTakeover::prepare(Reply &reply) {
    if (const char *problem = HijackedConnection::obstacle(r_)) {
        return impossible(problem);
    }
    if (reply.wantsClient && reply.body.empty() && transfer_.isReady(reply.stream)) {
        return std::nullopt;
    }
    if (std::optional<Failure> failure = countRelay()) {
        return failure;
    }
    if (std::exchange(reply.wantsClient, false)) {
        ConnectionTransfer::announceRelay(reply.stream);
    }
    return std::nullopt;
}

/** Gives the client's socket away, or keeps the stream for the relay. A thread that waits for more
 *  than a moment counts as one that relays. */
std::optional<ConnectionTakeover::Failure> ConnectionTakeover::passOn(Reply &reply) {
    if (reply.wantsClient) {
        transferred_ = transfer_.give(reply.stream, MOMENT);
        if (!transferred_) {
            if (std::optional<Failure> failure = countRelay()) {
                return failure;
            }
            transferred_ = transfer_.give(reply.stream, PATIENCE);
        }
        if (transferred_) {
            return std::nullopt;
        }
        ConnectionTransfer::announceRelay(reply.stream);
    }
    stream_ = std::move(reply.stream);
    return std::nullopt;
}

/** Fails if the application has as many threads as it may. */
std::optional<ConnectionTakeover::Failure> ConnectionTakeover::countRelay() {
    if (std::optional<ThreadLimit::Place> place = limits_.hijacks.take(app_)) {
        hijack_.emplace(std::move(*place));
        relay_.emplace(limits_.threads.addConnection(limits_.spool.keyOf(app_)));
        return std::nullopt;
    }
    limits_.spool.count(UsageLedger::Effect::HIJACK_REFUSED);
    return Failure{HTTP_SERVICE_UNAVAILABLE,
                   apr_psprintf(r_->pool,
                                "the application has taken over %" APR_SIZE_T_FMT
                                " connections of this httpd process, the most it may (PassengerMaxHijackedConnections)",
                                limits_.hijacks.most())};
}

ConnectionTakeover::Failure ConnectionTakeover::impossible(const char *problem) const {
    return {HTTP_BAD_GATEWAY, apr_pstrcat(r_->pool, "the application hijacked the connection: ", problem, nullptr)};
}

}  // namespace Passenger
