// Pool: a thousand applications share far fewer instances, and each gets its turn. A simulation in
// virtual time.

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"
#include "support/LeakCheck.h"
#include "support/PoolWorld.h"
#include "support/Sanitizer.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/** A sanitizer takes ten times as long, and fairness is the same in a quarter of everything. */
constexpr std::size_t APPS = SANITIZED ? 250 : 1000;
constexpr unsigned POOL_SIZE = SANITIZED ? 12 : 50;
/** How long requests come. */
constexpr milliseconds TIME = 8s;
/** What happens within one is taken together. */
constexpr milliseconds TICK = 20ms;
/** Requests that come in a tick, on average: so many that about a hundred applications wait. */
constexpr double PER_TICK = SANITIZED ? 0.5 : 2.0;
/** A snapshot of all applications is slow. */
constexpr unsigned TICKS_PER_LOOK = 5;
constexpr milliseconds LONGEST_BOOT = 1000ms;
constexpr milliseconds LONGEST_SERVICE = 200ms;
/** An application's turn: its start, a second of service at least, and the end of its last
 *  request. */
constexpr std::chrono::nanoseconds LONGEST_TURN = LONGEST_BOOT + 1s + LONGEST_SERVICE + 3 * TICK;

double inSeconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

/** Requests come for application 1, 2, 3 … as often as 1, 1/2, 1/3 … */
class Zipf {
public:
    Zipf() {
        for (std::size_t app = 0; app < APPS; app++) {
            weights_.push_back(1.0 / static_cast<double>(app + 1));
        }
        distribution_ = std::discrete_distribution<std::size_t>(weights_.begin(), weights_.end());
    }
    std::size_t operator()(std::mt19937_64 &random) { return distribution_(random); }

private:
    std::vector<double> weights_;
    std::discrete_distribution<std::size_t> distribution_;
};

/** How long who waited. */
struct Waits {
    std::vector<std::chrono::nanoseconds> all;
    std::map<std::size_t, std::chrono::nanoseconds> longest;

    void add(const PoolWorld::Request &request) {
        const std::chrono::nanoseconds wait = request.answered - request.since;
        all.push_back(wait);
        std::chrono::nanoseconds &most = longest[request.app];
        most = std::max(most, wait);
    }
    double quantile(double share) {
        const auto at = all.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(all.size() - 1));
        std::nth_element(all.begin(), at, all.end());
        return inSeconds(*at);
    }
};

class Simulation {
public:
    Simulation() : world_(makeApps(), makeSettings()) {}
    ~Simulation() { serving_.clear(); }

    /** @param perTick requests that come in each tick, on average */
    void run(milliseconds time, double perTick) {
        for (milliseconds passed{0}; passed < time; passed += TICK) {
            std::poisson_distribution<unsigned> count(perTick);
            for (unsigned left = count(random_); left > 0; left--) {
                ask(zipf_(random_));
            }
            tick();
        }
    }
    /** Runs while one application always has so many requests that wait. */
    void runWithGreed(milliseconds time, double perTick, std::size_t greedy, unsigned waiting) {
        for (milliseconds passed{0}; passed < time; passed += TICK) {
            while (waiting_[greedy] < waiting) {
                ask(greedy);
            }
            run(TICK, perTick);
        }
    }
    /** Until nobody waits. */
    void finish(milliseconds limit) {
        for (milliseconds passed{0}; passed < limit && open() > 0; passed += TICK) {
            run(TICK, 0);
        }
    }
    std::size_t open() const { return asked_ - waits.all.size(); }
    std::size_t asked() const { return asked_; }
    unsigned most() const { return most_; }
    std::size_t mostWaitingApps() const { return mostWaitingApps_; }

    Waits waits;

private:
    static std::vector<Options> makeApps() {
        std::vector<Options> apps(APPS);
        for (std::size_t app = 0; app < APPS; app++) {
            apps[app].appRoot = fmt::format("/srv/app{}", app);
            apps[app].appGroupName = fmt::format("app{}", app);
            apps[app].maxQueueSize = 0;
        }
        return apps;
    }
    static PoolSettings makeSettings() {
        PoolSettings settings;
        settings.maxSize = POOL_SIZE;
        return settings;
    }

    void ask(std::size_t app) {
        asked_++;
        waiting_[app]++;
        world_.ask(app);
    }

    /** Ends what ends by now: sessions and boots; then lets time pass. */
    void tick() {
        while (!serving_.empty() && serving_.begin()->first <= world_.now()) {
            world_.release(serving_.begin()->second);
            serving_.erase(serving_.begin());
        }
        while (!booting_.empty() && booting_.begin()->first <= world_.now()) {
            world_.finish(booting_.begin()->second, true);
            booting_.erase(booting_.begin());
            takeAnswers();
        }
        world_.pass(TICK);
        takeAnswers();
        if (++ticks_ % TICKS_PER_LOOK == 0) {
            const PoolSnapshot snapshot = world_.pool().inspect();
            most_ = std::max(most_, snapshot.size);
            mostWaitingApps_ = std::max<std::size_t>(mostWaitingApps_, snapshot.waitingForRoom);
        }
    }

    void takeAnswers() {
        world_.settleBoots();
        for (const SteeredSpawners::Boot &boot : world_.spawners().boots()) {
            if (boot.number > lastBoot_) {
                lastBoot_ = boot.number;
                booting_.emplace(world_.now() + random(200, LONGEST_BOOT.count()), boot.number);
            }
        }
        for (const PoolWorld::RequestPtr &request : world_.takeAnswered()) {
            CPPUNIT_ASSERT_MESSAGE("A request was refused", request->session != nullptr);
            waits.add(*request);
            waiting_[request->app]--;
            serving_.emplace(world_.now() + random(20, LONGEST_SERVICE.count()), request);
        }
    }

    milliseconds random(milliseconds::rep from, milliseconds::rep to) {
        return milliseconds(std::uniform_int_distribution<milliseconds::rep>(from, to)(random_));
    }

    PoolWorld world_;
    std::mt19937_64 random_{1};
    Zipf zipf_;
    /** By when they end. */
    std::multimap<MonotonicTime, PoolWorld::RequestPtr> serving_;
    std::multimap<MonotonicTime, std::uint64_t> booting_;
    std::map<std::size_t, unsigned> waiting_;
    std::uint64_t lastBoot_ = 0;
    std::size_t asked_ = 0;
    unsigned ticks_ = 0;
    unsigned most_ = 0;
    std::size_t mostWaitingApps_ = 0;
};

}  // namespace

class PoolFairnessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolFairnessTest);
    CPPUNIT_TEST(testAThousandApplicationsShareAPoolAndNoneStarves);
    CPPUNIT_TEST(testAGreedyApplicationDoesNotKeepOthersFromTheirTurn);
    CPPUNIT_TEST_SUITE_END();

    LogLevel level_ = Log::level();

    /** An application gets an instance after all applications that have waited longer. So its wait
     *  has a limit: the number of their turns, times the longest turn.
     *  @param greedy an application that waits for itself, too */
    static void judge(Simulation &simulation, std::optional<std::size_t> greedy = std::nullopt) {
        std::chrono::nanoseconds longest{0};
        for (const auto &[app, wait] : simulation.waits.longest) {
            longest = std::max(longest, app == greedy ? std::chrono::nanoseconds(0) : wait);
        }
        const auto bound = (simulation.mostWaitingApps() / POOL_SIZE + 2) * LONGEST_TURN;
        fmt::print(
            "{} requests of {} applications; at most {} waited for room; waited (s): median {:.2f}, 90% {:.2f}, "
            "99% {:.2f}, longest {:.2f} (bound {:.1f}) ",
            simulation.asked(), simulation.waits.longest.size(), simulation.mostWaitingApps(),
            simulation.waits.quantile(0.5), simulation.waits.quantile(0.9), simulation.waits.quantile(0.99),
            inSeconds(longest), inSeconds(bound));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Requests that were never served", std::size_t{0}, simulation.open());
        CPPUNIT_ASSERT(simulation.most() <= POOL_SIZE);
        CPPUNIT_ASSERT_MESSAGE("The pool was not short of room", simulation.mostWaitingApps() > POOL_SIZE);
        CPPUNIT_ASSERT_MESSAGE("Somebody waited too long", longest <= bound);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        Log::setLevel(LogLevel::CRIT);
    }
    void tearDown() override {
        Log::setLevel(level_);
        LeakCheck::tearDown();
    }

    void testAThousandApplicationsShareAPoolAndNoneStarves() {
        Simulation simulation;
        simulation.run(TIME, PER_TICK);
        simulation.finish(60s);
        judge(simulation);
    }

    void testAGreedyApplicationDoesNotKeepOthersFromTheirTurn() {
        constexpr std::size_t GREEDY = APPS / 2;
        Simulation simulation;
        simulation.runWithGreed(TIME, PER_TICK, GREEDY, 100);
        simulation.finish(60s);
        judge(simulation, GREEDY);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolFairnessTest);

}  // namespace Passenger
