// Pool: instances that are kept without a request.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolSparesTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolSparesTest);
    CPPUNIT_TEST(testSpareInstancesAreKeptBesideBusyInstances);
    CPPUNIT_TEST(testTheInstancesFollowARisingLoadWithinTwoSeconds);
    CPPUNIT_TEST(testTheInstancesFollowAFallingLoadWithinTwoSeconds);
    CPPUNIT_TEST(testTheOldestSurplusInstancesEnd);
    CPPUNIT_TEST(testBusyInstancesAreNotSurplus);
    CPPUNIT_TEST(testMinInstancesStay);
    CPPUNIT_TEST(testAMinimumOfSparesAboveTheMaximumTakesPrecedence);
    CPPUNIT_TEST(testAFluctuatingLoadEndsNoInstances);
    CPPUNIT_TEST(testWithAMaximumOfSparesTheIdleTimeEndsNoInstance);
    CPPUNIT_TEST(testTheIdleTimeLeavesTheMinimumOfSpares);
    CPPUNIT_TEST(testAnIdleApplicationWithoutMinInstancesEndsAllItsInstances);
    CPPUNIT_TEST(testAClearedApplicationWithoutRequestsKeepsNoSpares);
    CPPUNIT_TEST(testSparesKeepTheLimitsOfTheApplicationAndOfThePool);
    CPPUNIT_TEST(testNoOtherApplicationGivesUpAnInstanceForSpares);
    CPPUNIT_TEST(testSparesUseRoomThatBecomesFree);
    CPPUNIT_TEST(testARequestOfAnotherApplicationComesBeforeSpares);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto LOOK = 250ms;

    static Options sparing(unsigned min, unsigned max, unsigned minInstances = 1,
                           const std::string &root = "/srv/blog") {
        Options options = app(root);
        options.minInstances = minInstances;
        options.minSpareInstances = min;
        options.maxSpareInstances = max;
        return options;
    }
    std::size_t serving(const Options &options = app()) const {
        return instancesThat(Process::State::SERVING, options).size();
    }
    /** Passes time look by look, each time until nothing starts any more. */
    void pass(std::chrono::milliseconds time, const Options &options = app()) {
        for (auto passed = 0ms; passed < time; passed += LOOK) {
            clock_.advance(LOOK);
            upkeep();
            CPPUNIT_ASSERT(eventually([&] { return group(options).starting == 0; }));
        }
    }

public:
    void setUp() override {
        PoolContract::setUp();
        setMax(12);
    }

    void testSpareInstancesAreKeptBesideBusyInstances() {
        std::vector<HeldPtr> sessions;
        for (unsigned busy = 1; busy <= 3; busy++) {
            sessions.push_back(get(sparing(2, 0)));
            pass(1s);
            CPPUNIT_ASSERT_EQUAL(std::size_t{busy + 2}, serving());
        }
        CPPUNIT_ASSERT_EQUAL(3U, pool_->getActive());
    }

    void testTheInstancesFollowARisingLoadWithinTwoSeconds() {
        cpu_.idle = 0;
        get(sparing(1, 2)).reset();
        pass(1s);
        std::vector<AnswerPtr> answers;
        answers.reserve(8);
        for (int i = 0; i < 8; i++) {
            answers.push_back(ask(sparing(1, 2)));
        }
        pass(2s);
        CPPUNIT_ASSERT_EQUAL(8U, pool_->getActive());
        CPPUNIT_ASSERT_EQUAL(std::size_t{9}, serving());
    }

    void testTheInstancesFollowAFallingLoadWithinTwoSeconds() {
        std::vector<HeldPtr> sessions;
        sessions.reserve(8);
        for (int i = 0; i < 8; i++) {
            sessions.push_back(get(sparing(1, 2)));
        }
        pass(5s);
        sessions.clear();
        pass(2s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving());
    }

    void testTheOldestSurplusInstancesEnd() {
        warmUp(4, sparing(0, 1));
        CPPUNIT_ASSERT(eventuallyServing(4));
        const InstanceId youngest = instances().back().id;
        pass(2s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving());
        CPPUNIT_ASSERT(instances().front().id == youngest);
    }

    void testBusyInstancesAreNotSurplus() {
        std::vector<HeldPtr> sessions;
        sessions.reserve(3);
        for (int i = 0; i < 3; i++) {
            sessions.push_back(get(sparing(0, 1)));
        }
        pass(5s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving());
    }

    void testMinInstancesStay() {
        warmUp(5, sparing(0, 1, 3));
        pass(5s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving());
    }

    void testAMinimumOfSparesAboveTheMaximumTakesPrecedence() {
        warmUp(6, sparing(4, 2));
        pass(5s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, serving());
    }

    void testAFluctuatingLoadEndsNoInstances() {
        warmUp(4, sparing(1, 1));
        pass(500ms);
        const unsigned spawned = factory_->spawned();
        for (int i = 0; i < 20; i++) {
            warmUp(i % 2 == 0 ? 4 : 1, sparing(1, 1));
            pass(500ms);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group().counters.idled);
        CPPUNIT_ASSERT(factory_->spawned() <= spawned + 1);
    }

    void testWithAMaximumOfSparesTheIdleTimeEndsNoInstance() {
        warmUp(3, sparing(0, 3));
        advance(600s, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving());
    }

    void testTheIdleTimeLeavesTheMinimumOfSpares() {
        warmUp(6, sparing(2, 0));
        // Spares that were on their way may have come late.
        CPPUNIT_ASSERT(eventually([&] { return advance(60s, 1s), serving() == 2; }));
        advance(600s, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving());
    }

    void testAnIdleApplicationWithoutMinInstancesEndsAllItsInstances() {
        get(sparing(2, 3, 0)).reset();
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving());
        advance(200s, 1s);
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT_EQUAL(2U, factory_->spawned());
    }

    void testAClearedApplicationWithoutRequestsKeepsNoSpares() {
        get(sparing(2, 0)).reset();
        pass(1s);
        pool_->clear();
        advance(100s, 1s);
        CPPUNIT_ASSERT(eventually([&] { return size() == 0; }));
    }

    void testSparesKeepTheLimitsOfTheApplicationAndOfThePool() {
        Options options = sparing(9, 0);
        options.maxInstances = 4;
        const HeldPtr session = get(options);
        pass(2s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, serving());
        setMax(6);
        const Options other = sparing(9, 0, 1, "/srv/shop");
        const HeldPtr its = get(other);
        pass(2s, other);
        CPPUNIT_ASSERT_EQUAL(6U, size());
    }

    void testNoOtherApplicationGivesUpAnInstanceForSpares() {
        setMax(3);
        warmUp(2, app("/srv/shop"));
        const HeldPtr session = get(sparing(5, 0));
        pass(2s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving(app("/srv/shop")));
    }

    void testSparesUseRoomThatBecomesFree() {
        setMax(1);
        const HeldPtr session = get(sparing(2, 0));
        pass(1s);
        setMax(3);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving());
    }

    void testARequestOfAnotherApplicationComesBeforeSpares() {
        setMax(3);
        const HeldPtr session = get(sparing(2, 0));
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(3U, size());
        const HeldPtr other = get(app("/srv/shop"));
        pass(3s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(app("/srv/shop")));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolSparesTest);

}  // namespace Passenger
