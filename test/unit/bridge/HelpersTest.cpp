#include "bridge/Helpers.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/SystemClock.h"
#include "bridge/AppAddress.h"
#include "bridge/Channels.h"
#include "bridge/Place.h"
#include "bridge/Relays.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

using namespace std::chrono_literals;

class HelpersTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(HelpersTest);
    CPPUNIT_TEST(testThereIsAThreadForEachRequestAndIdleOnesEndButForTheLast);
    CPPUNIT_TEST(testMostThreadsAreIdleWhenRequestsComeInTurn);
    CPPUNIT_TEST(testIdleThreadsEndWithTheBridge);
    CPPUNIT_TEST(testAllMissingThreadsStartOnceTheyMay);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto FOREVER = 24h;
    static constexpr int MANY = 8;

    /** The parts that places need, which do nothing here. */
    struct Parts {
        Parts()
            : channels([](std::uint64_t) {}),
              address(AppAddress::unixSocket("/nonexistent")),
              relays(
                  0, [] {}, SystemClock::instance()),
              tools{channels, address, relays, [] {}, [] {}} {
            for (std::uint32_t i = 0; i < MANY; i++) {
                places.emplace_back(tools, i);
            }
        }

        Channels channels;
        AppAddress address;
        Relays relays;
        Place::Tools tools;
        std::list<Place> places;
    };

    std::optional<Parts> parts_;
    std::optional<Helpers> helpers_;
    std::list<std::thread> threads_;
    std::atomic<int> running_{0};
    std::atomic<int> working_{0};
    std::atomic<int> done_{0};
    std::atomic<bool> held_{false};
    /** Whether the system allows no thread. */
    bool refused_ = false;
    std::mutex mutex_;
    std::map<std::thread::id, int> works_;

    void make(std::chrono::milliseconds idleLimit) {
        helpers_.emplace(
            [this] {
                if (refused_) {
                    return false;
                }
                running_++;
                threads_.emplace_back([this] {
                    helpers_->run([this](Place &) { work(); });
                    running_--;
                });
                return true;
            },
            [] {}, idleLimit);
    }
    void work() {
        {
            const std::lock_guard lock(mutex_);
            works_[std::this_thread::get_id()]++;
        }
        working_++;
        eventually([this] { return !held_; });
        working_--;
        done_++;
    }
    /** All are in work at once. */
    void useManyThreads() {
        held_ = true;
        for (Place &place : parts_->places) {
            helpers_->give(place);
        }
        CPPUNIT_ASSERT(eventually([this] { return working_ == MANY; }));
        held_ = false;
        CPPUNIT_ASSERT(eventually([this] { return working_ == 0; }));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        parts_.emplace();
        running_ = working_ = done_ = 0;
        refused_ = false;
        works_.clear();
    }
    void tearDown() override {
        held_ = false;
        helpers_->finish();
        for (std::thread &thread : threads_) {
            thread.join();
        }
        threads_.clear();
        helpers_.reset();
        parts_.reset();
        LeakCheck::tearDown();
    }

    void testThereIsAThreadForEachRequestAndIdleOnesEndButForTheLast() {
        make(1ms);
        useManyThreads();
        CPPUNIT_ASSERT(eventually([this] { return running_ == 1; }));
        useManyThreads();
        CPPUNIT_ASSERT(eventually([this] { return done_ == 2 * MANY; }));
    }

    void testAllMissingThreadsStartOnceTheyMay() {
        make(FOREVER);
        held_ = refused_ = true;
        for (Place &place : parts_->places) {
            helpers_->give(place);
        }
        helpers_->startAgain();
        CPPUNIT_ASSERT_EQUAL(0, running_.load());
        refused_ = false;
        helpers_->startAgain();
        CPPUNIT_ASSERT(eventually([this] { return working_ == MANY; }));
    }

    void testMostThreadsAreIdleWhenRequestsComeInTurn() {
        constexpr int TURNS = 50 * MANY;
        make(FOREVER);
        useManyThreads();
        CPPUNIT_ASSERT(eventually([this] { return done_ == MANY; }));
        for (int turn = 1; turn <= TURNS; turn++) {
            helpers_->give(parts_->places.front());
            CPPUNIT_ASSERT(eventually([&] { return done_ == MANY + turn; }));
        }
        const std::lock_guard lock(mutex_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{MANY}, works_.size());
        const auto least = std::min_element(
            works_.begin(), works_.end(), [](const auto &one, const auto &other) { return one.second < other.second; });
        // By turns each would have 50, and one.
        CPPUNIT_ASSERT(least->second < 20);
    }

    void testIdleThreadsEndWithTheBridge() {
        make(FOREVER);
        useManyThreads();
        CPPUNIT_ASSERT_EQUAL(MANY, running_.load());
        helpers_->finish();
        CPPUNIT_ASSERT(eventually([this] { return running_ == 0; }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HelpersTest);

}  // namespace Passenger::Bridge
