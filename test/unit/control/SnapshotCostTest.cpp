// What a status of 1,000 applications costs, in CPU time: the pool's event loop, which waits for
// the pool's lock during a snapshot, and the thread of httpd that makes the page.

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "control/ServerStatus.h"
#include "control/StatusPage.h"
#include "support/PoolFixture.h"
#include "support/SampleStatus.h"
#include "support/Sanitizer.h"

namespace Passenger {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

/** The CPU time of the calling thread. */
nanoseconds cpuTime() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

/** Stands still. The pool asks it once for each application of a snapshot, with its lock held. So
 *  it sees what comes between. */
class PieceClock final : public Clock {
public:
    /** Whether another thread is to want the pool's lock in the first piece of each snapshot. */
    bool withOther = false;
    mutable std::atomic<bool> asked{false};
    std::atomic<bool> wants{false};

    MonotonicTime now() const override {
        if (measured_ == std::this_thread::get_id()) {
            if (withOther && calls_ == 0) {
                asked = true;
                while (!wants) {
                    std::this_thread::yield();
                }
            }
            note();
            lastTurns_ = turns_;
            firstTurns_ = calls_++ == 0 ? lastTurns_ : firstTurns_;
        } else {
            turns_++;
        }
        return MonotonicTime(std::chrono::hours(1));
    }
    /** The calls of this thread count. */
    void begin() {
        measured_ = std::this_thread::get_id();
        calls_ = 0;
        longest_ = nanoseconds(0);
        last_ = cpuTime();
    }
    void end() {
        note();
        measured_ = std::thread::id();
    }
    /** The most CPU time between two calls, from begin() to end(). */
    nanoseconds longest() const { return longest_; }
    /** How often other threads called between the first call and the last one. */
    unsigned turnsBetween() const { return lastTurns_ - firstTurns_; }

private:
    void note() const {
        const nanoseconds time = cpuTime();
        longest_ = std::max(longest_, time - last_);
        last_ = time;
    }

    std::atomic<std::thread::id> measured_{};
    mutable std::atomic<unsigned> turns_{0};
    mutable unsigned calls_ = 0;
    mutable unsigned firstTurns_ = 0;
    mutable unsigned lastTurns_ = 0;
    mutable nanoseconds longest_{0};
    mutable nanoseconds last_{0};
};

}  // namespace

class SnapshotCostTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(SnapshotCostTest);
    CPPUNIT_TEST(testOthersGetTheLockWithinASnapshot);
    CPPUNIT_TEST(testNoPieceOfASnapshotTakesLong);
    CPPUNIT_TEST(testThePageComesSoon);
    CPPUNIT_TEST_SUITE_END();

    /** Times under sanitizers say nothing. */
    static constexpr unsigned APPS = SANITIZED ? 100 : 1000;
    static constexpr unsigned ROUNDS = SANITIZED ? 1 : 7;
    static constexpr unsigned SNAPSHOTS = 20;
    /** What a queue, its memory files and a dummy instance have open. */
    static constexpr unsigned DESCRIPTORS = 16;

    rlimit limit_{};
    /** The pool's. */
    PieceClock pieces_;

    /** The number of applications for which there are descriptors. */
    unsigned possible() const {
        return std::min<unsigned>(APPS, static_cast<unsigned>(limit_.rlim_max / DESCRIPTORS) - 20);
    }
    /** @return the best of all rounds of what `work` returns */
    template <typename Work> static nanoseconds best(const Work &work) {
        nanoseconds least = nanoseconds::max();
        for (unsigned round = 0; round < ROUNDS; round++) {
            least = std::min(least, work());
        }
        return least;
    }
    /** So many applications have an instance each. */
    void serve(unsigned apps) {
        PoolSettings settings;
        settings.maxSize = apps;
        makePool({*loop_, *factory_, *channels_, pieces_, store_, cpu_, false}, settings);
        for (unsigned i = 0; i < apps; i++) {
            get(app("/srv/www/customers/app" + std::to_string(i) + "/current")).reset();
        }
    }
    /** @return the number of applications */
    std::size_t inspect() {
        pieces_.begin();
        const PoolSnapshot snapshot = pool_->inspect();
        pieces_.end();
        return snapshot.groups.size();
    }
    static void assertBelow(nanoseconds promised, nanoseconds measured) {
        if (!SANITIZED) {
            CPPUNIT_ASSERT_MESSAGE(std::to_string(measured.count()) + " ns", measured < promised);
        }
    }

public:
    void setUp() override {
        ::getrlimit(RLIMIT_NOFILE, &limit_);
        const rlimit all{limit_.rlim_max, limit_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &all);
        PoolFixture::setUp();
    }
    void tearDown() override {
        PoolFixture::tearDown();
        ::setrlimit(RLIMIT_NOFILE, &limit_);
    }

    // The event loop goes on between two applications.
    void testOthersGetTheLockWithinASnapshot() {
        serve(20);
        const std::string name = app("/srv/www/customers/app0/current").groupName();
        std::atomic<bool> over{false};
        std::thread other([&] {
            while (!over) {
                if (pieces_.asked) {
                    pieces_.wants = true;
                    pieces_.asked = false;
                    pool_->requests(name, 1);
                    pieces_.wants = false;
                }
                std::this_thread::yield();
            }
        });
        pieces_.withOther = true;
        unsigned got = 0;
        for (unsigned i = 0; i < SNAPSHOTS; i++) {
            inspect();
            got += pieces_.turnsBetween() > 0 ? 1 : 0;
            while (pieces_.asked || pieces_.wants) {
                std::this_thread::yield();
            }
        }
        over = true;
        other.join();
        // The other thread may stand still just before it waits.
        CPPUNIT_ASSERT_MESSAGE(std::to_string(got), got > SNAPSHOTS / 2);
    }

    void testNoPieceOfASnapshotTakesLong() {
        constexpr microseconds PROMISED{2000};
        const unsigned apps = possible();
        serve(apps);
        assertBelow(PROMISED, best([&] {
                        CPPUNIT_ASSERT_EQUAL(std::size_t{apps}, inspect());
                        return pieces_.longest();
                    }));
    }

    void testThePageComesSoon() {
        constexpr milliseconds PROMISED{200};
        std::vector<AppStatus> apps;
        for (unsigned i = 0; i < APPS; i++) {
            apps.push_back(sampleApp("/srv/app" + std::to_string(i)));
            apps.back().events.clear();
        }
        const ServerStatus status = sampleStatus(apps);
        assertBelow(PROMISED, best([&] {
                        const nanoseconds begin = cpuTime();
                        const ServerStatus told = statusFromJson(toJson(status));
                        CPPUNIT_ASSERT(!StatusPage::render(told, StatusPage::View{"", true, "nonce"}).empty());
                        return cpuTime() - begin;
                    }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SnapshotCostTest);

}  // namespace Passenger
