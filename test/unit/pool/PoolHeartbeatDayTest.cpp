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
#include <string>

#include "io/Serve.h"
#include "log/Log.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"
#include "support/Sanitizer.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A day of an application whose instances come and go, and give signs of life or none. */
class PoolHeartbeatDayTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolHeartbeatDayTest);
    CPPUNIT_TEST(testForADayOnlySilentInstancesAreKilledForTheirSilence);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned MOST = 3;
    /** Eight hours show a sanitizer as much as a day. */
    static constexpr unsigned HOURS = SANITIZED ? 8 : 24;

    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<FakeInstances> instances_;
    std::mt19937 random_{4711};
    LogLevel level_ = Log::level();
    std::size_t met_ = 0;
    std::map<pid_t, std::size_t> byPid_;
    /** The instances that were told how often to give a sign. */
    std::set<pid_t> asked_;
    /** The pool has read a sign of them. */
    std::set<pid_t> heard_;
    /** Since when they have given no sign. */
    std::map<pid_t, MonotonicTime> silent_;

    bool chance(unsigned inAThousand) { return std::uniform_int_distribution<unsigned>(0, 999)(random_) < inAThousand; }
    Options options(std::chrono::seconds timeout) const {
        Options options = app(folder_->path());
        options.spawnMethod = "smart";
        options.minInstances = 2;
        options.maxInstances = MOST;
        options.heartbeatTimeout = timeout;
        return options;
    }
    GroupSnapshot group() const { return pool_->inspect().groups.at(0); }
    /** How they were begun. */
    void meetNewOnes() {
        for (; met_ < instances_->count(); met_++) {
            const pid_t pid = instances_->pid(met_);
            byPid_[pid] = met_;
            try {
                if (Serve::of(instances_->frame(met_)).heartbeatInterval > 0ms) {
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
        if (chance(2) || (process.state == nameOf(Process::State::DRAINING) && chance(500))) {
            instances_->kill(index);
        } else if (chance(2)) {
            silent_.emplace(pid, clock_.now());
        } else if (!silent_.contains(pid)) {
            sign(index);
            // The pool begins to read a little after an instance has joined; the clock has to wait.
            if (heard_.insert(pid).second) {
                CPPUNIT_ASSERT(eventually([&] { return instances_->wasRead(index); }, 60s));
            }
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
    /** Whether it was to give signs, and has given none for longer than any limit. */
    bool isOverdue(pid_t pid) const {
        return asked_.contains(pid) && silent_.contains(pid) && clock_.now() - silent_.at(pid) > 3min;
    }
    bool noneIsOverdue() {
        settle();
        const auto now = group().processes;
        return std::none_of(now.begin(), now.end(), [this](const auto &process) { return isOverdue(process.pid); });
    }
    std::set<pid_t> killedForSilence() const {
        const std::string log = log_->text();
        const std::string event = "event=instance.heartbeat_lost app=\"" + options(30s).groupName() + "\" pid=";
        std::set<pid_t> killed;
        for (auto at = log.find(event); at != std::string::npos; at = log.find(event, at + 1)) {
            killed.insert(std::stoi(log.substr(at + event.size())));
        }
        return killed;
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        // It would have a lot more to say.
        Log::setLevel(LogLevel::WARN);
    }

    void tearDown() override {
        Log::setLevel(level_);
        endPool();
        instances_.reset();
        folder_.reset();
        PoolFixture::tearDown();
    }

    void testForADayOnlySilentInstancesAreKilledForTheirSilence() {
        pool_->attach(options(30s));
        CPPUNIT_ASSERT(eventuallyCount(2));
        const auto end = clock_.now() + std::chrono::hours(HOURS);
        for (auto hour = clock_.now() + 1h; clock_.now() < end;) {
            clock_.advance(std::chrono::seconds(1 + random_() % 10));
            upkeep();
            if (!chance(50)) {
                CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }, 60s));
            }
            meetNewOnes();
            settle();
            const GroupSnapshot now = group();
            std::for_each(now.processes.begin(), now.processes.end(), [this](const auto &process) { behave(process); });
            disturb(now);
            if (clock_.now() >= hour) {
                hour += 1h;
                CPPUNIT_ASSERT(eventually([this] { return noneIsOverdue(); }, 60s));
            }
        }
        CPPUNIT_ASSERT(silent_.size() > HOURS * 20 / 24 && instances_->count() > HOURS * 100 / 24);
        const std::set<pid_t> killed = killedForSilence();
        CPPUNIT_ASSERT(killed.size() > HOURS * 10 / 24);
        CPPUNIT_ASSERT(std::all_of(killed.begin(), killed.end(),
                                   [this](pid_t pid) { return asked_.contains(pid) && silent_.contains(pid); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolHeartbeatDayTest);

}  // namespace Passenger
