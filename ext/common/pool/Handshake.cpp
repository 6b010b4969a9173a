#include "pool/Handshake.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "exchange/WarmUp.h"
#include "policy/Heartbeats.h"
#include "pool/WarmUpRun.h"
#include "spawning/PostMortem.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The last step of a spawn. */
constexpr const char *HANDSHAKE = "handshake";
/** For an instance that serves already to answer another pool process. */
constexpr std::chrono::seconds ADOPTION_LIMIT{10};

}  // namespace

Handshake::Handshake(InstanceLink &link, SpawnResult &parts, const Order &order)
    : link_(link),
      parts_(parts),
      order_(order),
      serve_{.cell = order.handover.cells.first,
             .threads = order.handover.cells.count,
             .app = order.app,
             .maxRequests = order.options.maxRequests,
             .stickyId = order.readFirst != nullptr ? order.stickyId : 0,
             .reforkAfter = parts.origin ? order.options.reforkAfter : 0,
             .heartbeatInterval = std::chrono::duration_cast<milliseconds>(
                 Heartbeats<int>(order.options.heartbeatTimeout).ackInterval()),
             .paused = order.handover.paused},
      deadline_(FrameSocket::in(order.adopted ? std::min<milliseconds>(order.options.startTimeout, ADOPTION_LIMIT)
                                              : order.options.startTimeout)),
      report_(parts.report ? std::move(*parts.report) : SpawnReport()) {
    parts.report.reset();
}

std::optional<SpawnReport> Handshake::run(CancelSwitch &cancel) {
    const QueueHandover &handover = order_.handover;
    std::vector<int> descriptors{handover.queue->queue.receivingEnd().get(), handover.claims.get(),
                                 handover.senders.get()};
    if (order_.readFirst != nullptr) {
        descriptors.push_back(order_.readFirst->receivingEnd().get());
    }
    const CancelSwitch::Watch watch(cancel, parts_.control.descriptor());
    report_.steps.begin(HANDSHAKE);
    bool told = false;
    try {
        const bool warmedUp = !order_.adopted && warmUp();
        parts_.control.send(serve_.toFrame(), descriptors, deadline_);
        told = true;
        awaitReady(order_.adopted || warmedUp);
        return std::nullopt;
    } catch (const std::exception &error) {
        if (order_.adopted && !told) {
            throw;
        }
        report_.timedOut = std::chrono::steady_clock::now() >= deadline_;
        explain(error);
        return std::move(report_);
    }
}

/** @return whether there were requests, so that the instance has had a SERVE */
bool Handshake::warmUp() {
    const std::vector<std::string> environments = WarmUp::environmentsFor(order_.options);
    if (environments.empty()) {
        return false;
    }
    const milliseconds limit = order_.options.startTimeout;
    // The instance still has time to say READY.
    WarmUpRun run(link_, order_.app, limit - std::min<milliseconds>(std::chrono::seconds(1), limit / 4));
    Serve serve = serve_;
    serve.cell = 0;
    // These requests count for the instance as all others.
    serve.maxRequests += serve.maxRequests > 0 ? environments.size() : 0;
    serve.stickyId = 0;
    serve.paused = false;
    serve.warmsUp = true;
    parts_.control.send(serve.toFrame(), run.descriptors(), deadline_);
    awaitReady(false);
    if (const std::optional<Frame> answer = run.send(environments)) {
        checkReady(*answer);
    }
    return true;
}

void Handshake::awaitReady(bool servesAlready) {
    checkReady(link_.receiveAnswer(order_.handover.cells.count, servesAlready, deadline_));
}

void Handshake::checkReady(const Frame &answer) {
    if (answer.type == FrameType::FAILED) {
        report_.steps.begin(answer.field(0));
        report_.failedBy(answer);
        throw SpawnException(report_.summary);
    }
    if (answer.type != FrameType::READY) {
        throw ProtocolException("it sent a frame that is no answer");
    }
}

/** Adds to the report why the instance does not serve. */
void Handshake::explain(const std::exception &error) {
    const bool lost = lostContact(error);
    if (parts_.output) {
        collectPostMortem(report_, {parts_.pidFd, parts_.waitStatus, *parts_.output, !parts_.hasDescendants}, lost);
    }
    if (report_.summary.empty()) {
        report_.summary = fmt::format("instance {} did not begin to serve: {}", parts_.pid,
                                      lost ? "it " + howItEnded(report_.waitStatus) : error.what());
    }
    report_.steps.fail();
}

}  // namespace Passenger
