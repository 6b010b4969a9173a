#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "exchange/MessageSession.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"
#include "support/DummyInstances.h"

namespace Passenger {

class PoolRequests;

/** Why there was no answer. */
struct Refusal {
    Reply::Kind kind = Reply::Kind::BROKEN;
    /** REFUSED: of HTTP. */
    std::uint16_t status = 0;
    std::string reportId;
    std::string summary;
};

/** A request that an instance works at until this is destroyed; then it is answered. */
class HeldRequest {
public:
    HeldRequest(PoolRequests &requests, MessageSessionPtr session, DummyInstance &instance, unsigned thread);
    ~HeldRequest();
    HeldRequest(const HeldRequest &) = delete;
    HeldRequest &operator=(const HeldRequest &) = delete;

    DummyInstance &instance() const noexcept { return instance_; }
    /** The cell of the instance's claims. */
    std::uint32_t cell() const noexcept { return instance_.cell(thread_); }

private:
    friend class PoolRequests;

    PoolRequests &requests_;
    MessageSessionPtr session_;
    DummyInstance &instance_;
    unsigned thread_;
};

using HeldPtr = std::unique_ptr<HeldRequest>;

/** A request in a Pool's queue, and what becomes of it. Destroying it while it waits is what a
 *  client does that leaves. */
class Answer {
public:
    explicit Answer(PoolRequests &requests) : requests_(requests) {}
    ~Answer();
    Answer(const Answer &) = delete;
    Answer &operator=(const Answer &) = delete;

    /** Whether an instance works at the request, or has, or it was refused, as far as it was looked
     *  at. */
    bool over() const noexcept { return over_; }
    bool refused() const noexcept { return refusal_ != nullptr; }
    /** Looks, and then tells what over() tells. */
    bool here();
    /** Whether that is so soon, without time passing for the pool. */
    bool comes();
    /** Waits until an instance works at it. Fails the test when it is refused. */
    HeldPtr session();
    /** Waits until it is refused. Fails the test when an instance works at it. */
    const Refusal &failure();

private:
    friend class PoolRequests;

    PoolRequests &requests_;
    std::uint64_t number_ = 0;
    std::string environment_;
    MessageSessionPtr session_;
    HeldPtr held_;
    std::unique_ptr<Refusal> refusal_;
    bool over_ = false;
};

using AnswerPtr = std::shared_ptr<Answer>;

/**
 * Requests to a Pool whose instances are dummies that are driven by hand: thousands at once,
 * without a thread for each. Nothing happens by itself but what the pool does in its own threads:
 * step() makes instances and requests go on.
 *
 * Used by one thread. It ends before the Pool, its requests before it.
 */
class PoolRequests {
public:
    PoolRequests(Pool &pool, DummyInstances &instances, EventLoop &loop);

    AnswerPtr ask(const Options &options);
    /** Answers the request, which its owner then destroys. No step: instances and other requests go
     *  on with the next one. */
    void end(HeldRequest &request);
    /** Until there is nothing to do but to wait for the pool's threads. */
    void step();
    /** Requests that were asked and neither taken nor refused, the oldest first. */
    std::vector<Answer *> waiting() const;

private:
    friend class Answer;
    friend class HeldRequest;

    void finish(HeldRequest &request);
    void leave(Answer &answer);
    void take(DummyInstance &instance, unsigned thread);
    void endIfLost(HeldRequest &request);
    void poll(Answer &answer);
    bool letPoolRead();
    static void refuse(Answer &answer, const Reply &reply);

    Pool &pool_;
    DummyInstances &instances_;
    EventLoop &loop_;
    std::uint64_t lastNumber_ = 0;
    std::map<std::uint64_t, Answer *> waiting_;
    std::set<HeldRequest *> held_;
    std::vector<char> buffer_;
};

}  // namespace Passenger
