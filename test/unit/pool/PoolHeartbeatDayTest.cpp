// Pool and Group: signs of life of instances, for a day.

#include <cppunit/extensions/HelperMacros.h>
#include <sys/types.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "log/Log.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A day of an application whose instances come and go, and give signs of life or none. */
class PoolHeartbeatDayTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolHeartbeatDayTest);
    CPPUNIT_TEST(testNoHeartbeatIsExpectedAfterADayAndTheEndOfAllInstances);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned MOST = 3;

    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<FakeInstances> instances_;
    std::mt19937 random_{4711};
    LogLevel level_ = Log::level();
    std::size_t met_ = 0;
    std::map<pid_t, std::size_t> byPid_;
    /** The instances that were told how often to give a sign. */
    std::set<pid_t> asked_;
    std::set<pid_t> silent_;
    std::size_t wentSilent_ = 0;

    bool chance(unsigned inAThousand) {
        return std::uniform_int_distribution<unsigned>(0, 999)(random_) < inAThousand;
    }
    Options options(std::chrono::seconds timeout) const {
        Options options = app(folder_->path());
        options.spawnMethod = "smart";
        options.minInstances = 2;
        options.maxInstances = MOST;
        options.heartbeatTimeout = timeout;
        return options;
    }
    GroupSnapshot group() const {
        return pool_->inspect().superGroups.at(0).groups.at(0);
    }
    /** How they were begun. */
    void meetNewOnes() {
        for (; met_ < instances_->count(); met_++) {
            const pid_t pid = instances_->pid(met_);
            byPid_[pid] = met_;
            try {
                if (instances_->frame(met_).number(6) > 0) {
                    asked_.insert(pid);
                }
            } catch (const std::exception &) {
                // It was given up before it was begun.
            }
        }
    }
    /** Also of those that were not asked for it. */
    void sign(std::size_t index) {
        try {
            instances_->send(index, Frame(FrameType::HEARTBEAT));
        } catch (const std::exception &) {
            // It has just ended.
        }
    }
    void behave(const ProcessSnapshot &process) {
        const pid_t pid = process.pid;
        if (!byPid_.contains(pid)) {
            return;
        }
        const std::size_t index = byPid_.at(pid);
        if (chance(2) || (process.state == Process::State::DRAINING && chance(500))) {
            instances_->kill(index);
        } else if (chance(2)) {
            wentSilent_ += silent_.insert(pid).second ? 1 : 0;
        } else if (!silent_.contains(pid)) {
            sign(index);
        }
    }
    void disturb(const GroupSnapshot &group) {
        if (chance(3)) {
            pool_->restart(group.name);
        }
        if (chance(3) && !group.processes.empty()) {
            pool_->detach(group.processes[random_() % group.processes.size()].id);
        }
        if (chance(1)) {
            pool_->clear();
        }
        if (chance(10)) {
            constexpr std::chrono::seconds TIMEOUTS[] = {0s, 30s, 90s};
            pool_->attach(options(TIMEOUTS[random_() % std::size(TIMEOUTS)]));
        }
    }
    void settle() {
        // The first turn of the loop reads what came, or finds out who has ended.
        loop_->runSync([] {});
        loop_->runSync([] {});
    }
    /** Whether signs are awaited of exactly those that live and were asked for them. */
    bool exact() {
        meetNewOnes();
        settle();
        const GroupSnapshot now = group();
        const auto expected = std::count_if(now.processes.begin(), now.processes.end(),
                                            [this](const auto &process) { return asked_.contains(process.pid); });
        return now.starting == 0 && now.heartbeats == static_cast<std::size_t>(expected);
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        // It would have a lot to say.
        Log::setLevel(LogLevel::CRIT);
    }

    void tearDown() override {
        Log::setLevel(level_);
        endPool();
        instances_.reset();
        folder_.reset();
        PoolFixture::tearDown();
    }

    void testNoHeartbeatIsExpectedAfterADayAndTheEndOfAllInstances() {
        pool_->attach(options(30s));
        CPPUNIT_ASSERT(eventuallyCount(2));
        const auto end = clock_.now() + 24h;
        for (auto hour = clock_.now() + 1h; clock_.now() < end;) {
            clock_.advance(std::chrono::seconds(1 + random_() % 10));
            upkeep();
            if (!chance(50)) {
                CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }, 60s));
            }
            meetNewOnes();
            settle();
            const GroupSnapshot now = group();
            // One that was killed, and has not ended yet, is awaited no more.
            CPPUNIT_ASSERT(now.heartbeats <= now.processes.size());
            std::for_each(now.processes.begin(), now.processes.end(), [this](const auto &process) { behave(process); });
            disturb(now);
            if (clock_.now() >= hour) {
                hour += 1h;
                CPPUNIT_ASSERT(eventually([this] { return exact(); }, 60s));
            }
        }
        CPPUNIT_ASSERT(wentSilent_ > 20 && instances_->count() > 100);
        pool_->clear();
        for (std::size_t index = 0; index < instances_->count(); index++) {
            instances_->kill(index);
        }
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, group().heartbeats);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolHeartbeatDayTest);

}  // namespace Passenger
