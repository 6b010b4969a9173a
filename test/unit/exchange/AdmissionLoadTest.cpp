#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "exchange/Admission.h"
#include "support/KnownLoad.h"
#include "support/Sanitizer.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

using Time = QueueDelay::Time;

constexpr unsigned INSTANCES = 2;
constexpr Time SERVICE = 50ms;
/** Requests a second. */
constexpr double CAPACITY = INSTANCES / 0.05;

/** An application, two httpd children and requests of all priorities, in simulated time. */
class SimulatedLoad {
public:
    struct Outcome {
        unsigned offered = 0;
        unsigned served = 0;
        Time longestWait{0};
    };
    /** Of low, normal and high priority: rates as shares of the capacity, or outcomes. */
    template <class Each> using ByPriority = std::array<Each, 3>;

    explicit SimulatedLoad(const Options &options) : options_(options) {}

    /** Counts requests that come after the first ten seconds. */
    ByPriority<Outcome> run(const ByPriority<double> &rates) {
        double sum = 0;
        for (const double rate : rates) {
            sum += rate * CAPACITY;
        }
        std::exponential_distribution<double> gap(sum);
        std::discrete_distribution<unsigned> priority(rates.begin(), rates.end());
        const MonotonicTime begin = now_;
        for (MonotonicTime next = begin; next < begin + 70s;
             next += std::chrono::duration_cast<Time>(std::chrono::duration<double>(gap(random_)))) {
            advance(next);
            arrive({next, priority(random_), next >= begin + 10s});
        }
        advance(now_ + 60s);
        return outcomes_;
    }

private:
    struct Request {
        MonotonicTime arrival;
        unsigned priority;
        bool counted;
    };
    struct Work {
        MonotonicTime end;
        Time waited;
        unsigned priority;
        bool operator>(const Work &other) const { return end > other.end; }
    };

    void arrive(const Request &request) {
        outcomes_[request.priority].offered += request.counted ? 1 : 0;
        options_.request.priority = static_cast<Priority>(request.priority);
        inFlight_[request.priority]++;
        const KnownLoad load{
            .inFlight = inFlight_[0] + inFlight_[1] + inFlight_[2],
            .capacity = INSTANCES,
            .answers = answers_,
            .service = std::chrono::duration_cast<std::chrono::microseconds>(answers_ * SERVICE),
            .serves = true,
            .high = inFlight_[2],
        };
        if (load.refusal(options_, child(), now_)) {
            inFlight_[request.priority]--;
            return;
        }
        queues_[options_.overtakes() ? 1 : 0].push_back(request);
        begin();
    }

    QueueDelay &child() { return children_[random_() % children_.size()]; }

    /** Instances read the second queue first, and after four of it the common one. */
    std::deque<Request> &nextQueue() {
        auto &[common, first] = queues_;
        const bool turn = first.empty() || (inARow_ >= 4 && !common.empty());
        inARow_ = turn ? 0 : inARow_ + 1;
        return turn ? common : first;
    }

    void begin() {
        while (work_.size() < INSTANCES && !(queues_[0].empty() && queues_[1].empty())) {
            std::deque<Request> &queue = nextQueue();
            const Request request = queue.front();
            queue.pop_front();
            const Time waited = now_ - request.arrival;
            if (request.counted) {
                Outcome &outcome = outcomes_[request.priority];
                outcome.served++;
                outcome.longestWait = std::max(outcome.longestWait, waited);
            }
            work_.push({now_ + SERVICE, waited, request.priority});
        }
    }

    void advance(MonotonicTime to) {
        while (!work_.empty() && work_.top().end <= to) {
            const Work done = work_.top();
            work_.pop();
            now_ = done.end;
            answers_++;
            inFlight_[done.priority]--;
            child().waited(done.waited, options_.queueTarget, now_);
            begin();
        }
        now_ = to;
    }

    Options options_;
    MonotonicTime now_{1h};
    std::array<QueueDelay, 2> children_;
    std::array<std::deque<Request>, 2> queues_;
    std::priority_queue<Work, std::vector<Work>, std::greater<>> work_;
    ByPriority<unsigned> inFlight_{};
    unsigned inARow_ = 0;
    std::uint64_t answers_ = 0;
    ByPriority<Outcome> outcomes_;
    std::mt19937 random_{1};
};

}  // namespace

/** What requests of one priority get beside a load of others. */
class AdmissionLoadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AdmissionLoadTest);
    CPPUNIT_TEST(testNormalRequestsGetAFifthBesideAnyLoadOfHighOnes);
    CPPUNIT_TEST(testLowRequestsGetTheirTurnsBesideAnyLoadOfHighOnes);
    CPPUNIT_TEST(testHighRequestsAreServedBesideAnyLoadOfOthers);
    CPPUNIT_TEST_SUITE_END();

    /** The requests of high priority. Most of the time is that of the last load. */
    static constexpr std::array HIGH = {1.2, 2.0, SANITIZED ? 5.0 : 20.0};

    /** Of 60 seconds. */
    static constexpr double ALL = CAPACITY * 60;

    /** With a limit of the length and of the wait, without and with a second queue. */
    static std::vector<Options> variants() {
        std::vector<Options> all;
        for (const std::chrono::milliseconds target : {0ms, 200ms}) {
            for (const bool second : {false, true}) {
                Options &options = all.emplace_back();
                options.queueTarget = target;
                options.maxQueueSize = target > 0ms ? 0 : 100;
                options.priorityQueue = second;
            }
        }
        return all;
    }

public:
    void testNormalRequestsGetAFifthBesideAnyLoadOfHighOnes() {
        for (const Options &options : variants()) {
            for (const double high : HIGH) {
                const auto [low, normal, first] = SimulatedLoad(options).run({0, 0.5, high});
                CPPUNIT_ASSERT(normal.served >= 0.15 * ALL);
                CPPUNIT_ASSERT(!options.priorityQueue || normal.served >= 0.19 * ALL);
                CPPUNIT_ASSERT(first.served >= 0.75 * ALL);
                CPPUNIT_ASSERT(normal.longestWait < (options.queueTarget > 0ms ? 600ms : 4s));
            }
        }
    }

    void testLowRequestsGetTheirTurnsBesideAnyLoadOfHighOnes() {
        for (const Options &options : variants()) {
            for (const double high : HIGH) {
                // One a second in each child.
                CPPUNIT_ASSERT(SimulatedLoad(options).run({0.5, 0, high})[0].served >= 90);
                CPPUNIT_ASSERT(SimulatedLoad(options).run({0.5, 0.3, high})[0].served >= 60);
            }
        }
    }

    void testHighRequestsAreServedBesideAnyLoadOfOthers() {
        for (const Options &options : variants()) {
            const auto [low, normal, high] = SimulatedLoad(options).run({1, 5, 0.5});
            CPPUNIT_ASSERT(high.served >= 0.99 * high.offered);
            CPPUNIT_ASSERT(normal.served >= 0.4 * ALL);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AdmissionLoadTest);

}  // namespace Passenger
