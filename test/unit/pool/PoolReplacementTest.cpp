// Pool: the replacement of instances that have run enough requests or use too much memory.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolReplacementTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolReplacementTest);
    CPPUNIT_TEST(testAnInstanceThatHasRunMaxRequestsServesUntilItsSuccessorDoes);
    CPPUNIT_TEST(testABusyInstanceFinishesAfterItsSuccessorHasComeInItsPlace);
    CPPUNIT_TEST(testAnInstanceOverTheMemoryLimitIsReplaced);
    CPPUNIT_TEST(testAnInstanceThatIsTooLargeAfterItsStartStaysForAMinute);
    CPPUNIT_TEST(testMemoryThatIsNotSharedAnyMoreIsNoLeak);
    CPPUNIT_TEST(testAnInstanceWithinTheMemoryLimitStays);
    CPPUNIT_TEST(testWhatCannotBeMeasuredStays);
    CPPUNIT_TEST(testASuccessorThatDoesNotBootIsTriedAgainWhileTheOldOneServes);
    CPPUNIT_TEST(testThePoolsLimitIsExceededByOne);
    CPPUNIT_TEST(testTheApplicationsLimitIsExceededByOne);
    CPPUNIT_TEST(testSeveralAreReplacedOneAfterTheOther);
    CPPUNIT_TEST(testApplicationsOfAFullPoolReplaceOneAfterTheOther);
    CPPUNIT_TEST(testInAFullPoolANewVersionComesBeforeTheNextWornInstance);
    CPPUNIT_TEST(testANewVersionThatWaitsForRoomIsLoggedOnceAMinute);
    CPPUNIT_TEST(testAnInstanceThatDiesBeforeItsSuccessorComesIsReplacedByIt);
    CPPUNIT_TEST(testARestartDoesTheWorkOfAReplacement);
    CPPUNIT_TEST(testInstancesAreReplacedAfterARestartOvertookAReplacement);
    CPPUNIT_TEST(testClearEndsAReplacement);
    CPPUNIT_TEST(testThePoolsEndEndsAReplacement);
    CPPUNIT_TEST_SUITE_END();

    static Options worn(unsigned requests, Options options = app()) {
        options.maxRequests = requests;
        return options;
    }
    static Options limited(Options options = app()) {
        options.memoryLimit = 100;
        return options;
    }
    /** All living instances, a minute old, use more than they may. */
    void useTooMuch(const Options &options = app()) {
        clock_.advance(1min);
        for (const ProcessSnapshot &process : instances(options)) {
            setMemory(process.id, std::uint64_t{101} * 1024 * 1024);
        }
        pool_->checkMemory();
    }
    bool eventuallyReplaced(std::uint64_t count, const Options &options = app()) const {
        return eventually([&] { return group(options).counters.replaced == count; });
    }

public:
    void testAnInstanceThatHasRunMaxRequestsServesUntilItsSuccessorDoes() {
        get(worn(3)).reset();
        const InstanceId old = instances()[0].id;
        factory_->hold();
        for (int i = 0; i < 4; i++) {
            get(worn(3)).reset();
        }
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT((instancesThat(Process::State::SERVING) == std::vector<InstanceId>{old}));
        CPPUNIT_ASSERT_EQUAL(std::string("it has run as many requests as PassengerMaxRequests allows"),
                             instances()[0].replacementReason);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances().size());
        CPPUNIT_ASSERT(instances()[0].id != old);
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testABusyInstanceFinishesAfterItsSuccessorHasComeInItsPlace() {
        Options options = worn(1);
        options.threads = 2;
        HeldPtr running = get(options);
        const DummyInstance *old = instanceOf(running);
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING).size());
        const HeldPtr next = get(options);
        CPPUNIT_ASSERT(instanceOf(next) != old);
        running.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances().size());
    }

    void testAnInstanceOverTheMemoryLimitIsReplaced() {
        get(limited()).reset();
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{101} * 1024 * 1024, instances()[0].memory);
        CPPUNIT_ASSERT_EQUAL(std::string("it uses 101 MB of memory (PassengerMemoryLimit 100)"),
                             instances()[0].replacementReason);
        CPPUNIT_ASSERT_MESSAGE("No dip", get(limited()) != nullptr);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        pool_->checkMemory();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testAnInstanceThatIsTooLargeAfterItsStartStaysForAMinute() {
        get(limited()).reset();
        setMemory(instances()[0].id, std::uint64_t{101} * 1024 * 1024);
        for (int i = 0; i < 2; i++) {
            clock_.advance(5s);
            pool_->checkMemory();
        }
        CPPUNIT_ASSERT(instances()[0].replacementReason.empty());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=instance.large"));
        clock_.advance(50s);
        pool_->checkMemory();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
    }

    void testMemoryThatIsNotSharedAnyMoreIsNoLeak() {
        constexpr std::uint64_t MB = 1024 * 1024;
        PoolSettings budget = settings();
        budget.memoryBudget = 1000;
        pool_->configure(budget);
        const HeldPtr busy = get();
        const InstanceId id = instances()[0].id;
        setMemory(id, 100 * MB);
        pool_->checkMemory();
        clock_.advance(2min);
        // Its preloader has ended.
        setMemory(id, 890 * MB, 100 * MB);
        pool_->checkMemory();
        CPPUNIT_ASSERT(instances()[0].replacementReason.empty());
        clock_.advance(2min);
        setMemory(id, 890 * MB, 890 * MB);
        pool_->checkMemory();
        CPPUNIT_ASSERT(!instances()[0].replacementReason.empty());
    }

    void testAnInstanceWithinTheMemoryLimitStays() {
        get(limited()).reset();
        setMemory(instances()[0].id, std::uint64_t{100} * 1024 * 1024);
        pool_->checkMemory();
        CPPUNIT_ASSERT(instances()[0].replacementReason.empty());
        get(app("/srv/shop")).reset();
        useTooMuch(app("/srv/shop"));
        CPPUNIT_ASSERT_MESSAGE("Without a limit", instances(app("/srv/shop"))[0].replacementReason.empty());
    }

    void testWhatCannotBeMeasuredStays() {
        get(limited()).reset();
        pool_->checkMemory();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, instances()[0].memory);
        CPPUNIT_ASSERT(instances()[0].replacementReason.empty());
    }

    void testASuccessorThatDoesNotBootIsTriedAgainWhileTheOldOneServes() {
        get(limited()).reset();
        factory_->failuresToCome = 1;
        useTooMuch();
        CPPUNIT_ASSERT(eventually([this] { return group().counters.spawnsFailed == 1; }));
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::SERVING));
        upkeep();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        clock_.advance(500ms);
        upkeep();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
    }

    void testThePoolsLimitIsExceededByOne() {
        setMax(1);
        HeldPtr session = get(limited());
        useTooMuch();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        CPPUNIT_ASSERT_EQUAL(2U, size());
        const AnswerPtr one = ask(limited());
        const AnswerPtr other = ask(limited());
        CPPUNIT_ASSERT(one->comes());
        CPPUNIT_ASSERT_EQUAL(2U, size());
        useTooMuch();
        CPPUNIT_ASSERT_MESSAGE("The next one has to wait for the first one's end", size() == 2);
        session.reset();
        CPPUNIT_ASSERT(eventuallyReplaced(2));
        CPPUNIT_ASSERT(other->comes());
    }

    void testTheApplicationsLimitIsExceededByOne() {
        Options options = limited();
        options.maxInstances = 2;
        setMax(9);
        HeldPtr one = get(options);
        const HeldPtr other = get(options);
        useTooMuch();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }));
        const AnswerPtr waiter = ask(options);
        const AnswerPtr another = ask(options);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(3U, size());
        one.reset();
        CPPUNIT_ASSERT(eventuallyReplaced(2));
        CPPUNIT_ASSERT_EQUAL(3U, size());
        CPPUNIT_ASSERT(another->comes());
    }

    void testSeveralAreReplacedOneAfterTheOther() {
        warmUp(3, limited());
        factory_->hold();
        useTooMuch();
        for (unsigned replaced = 0; replaced < 3; replaced++) {
            CPPUNIT_ASSERT(eventually([this] {
                upkeep();
                return factory_->held() == 1;
            }));
            CPPUNIT_ASSERT_EQUAL(replaced + 4, factory_->attempts());
            CPPUNIT_ASSERT_EQUAL(4U, size());
            CPPUNIT_ASSERT_EQUAL_MESSAGE("No dip", std::size_t{3}, instancesThat(Process::State::SERVING).size());
            factory_->letThrough();
            CPPUNIT_ASSERT(eventuallyReplaced(replaced + 1));
        }
        CPPUNIT_ASSERT_EQUAL(3U, size());
    }

    void testApplicationsOfAFullPoolReplaceOneAfterTheOther() {
        setMax(2);
        const Options shop = limited(app("/srv/shop"));
        get(limited()).reset();
        get(shop).reset();
        factory_->hold();
        useTooMuch();
        useTooMuch(shop);
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(3U, size());
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyReplaced(1, shop));
        CPPUNIT_ASSERT(eventually([this] { return size() == 2; }));
    }

    /** In a full pool the first of two worn instances is being replaced, and the new version of
     *  another application waits. */
    void fillAndRestart() {
        warmUp(2, limited());
        get(inFolder()).reset();
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        restart();
        CPPUNIT_ASSERT_EQUAL(4U, factory_->attempts());
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::DEPLOY_WAITS));
    }

    void testInAFullPoolANewVersionComesBeforeTheNextWornInstance() {
        fillAndRestart();
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyReplaced(1));
        // The replaced instance ends by a step.
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).starting == 1; }));
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(0U, group().starting);
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
        CPPUNIT_ASSERT(eventuallyReplaced(2));
        CPPUNIT_ASSERT_EQUAL(3U, size());
    }

    void testANewVersionThatWaitsForRoomIsLoggedOnceAMinute() {
        PoolSettings noneIdles = settings();
        noneIdles.idleTime = 0s;
        pool_->configure(noneIdles);
        fillAndRestart();
        advance(50s, 1s);
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.waits"));
        advance(20s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=deploy.waits"));
        advance(60s, 1s);
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("event=deploy.waits"));
    }

    void testAnInstanceThatDiesBeforeItsSuccessorComesIsReplacedByIt() {
        get(limited()).reset();
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(1));
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testARestartDoesTheWorkOfAReplacement() {
        get(limited(inFolder())).reset();
        restart();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
        factory_->hold();
        useTooMuch(inFolder());
        factory_->waitUntilHeld(1);
        restart();
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 3; }));
        // Once the old instance has ended.
        CPPUNIT_ASSERT(eventually([this] { return size() == 1 && instances(inFolder()).at(0).version == 3; }));
    }

    void testInstancesAreReplacedAfterARestartOvertookAReplacement() {
        // The options of the first request count: a sender asks for the queue only once.
        Options options = limited(inFolder());
        options.rollingRestarts = false;
        get(options).reset();
        factory_->hold();
        useTooMuch(options);
        factory_->waitUntilHeld(1);
        restart();
        factory_->release();
        CPPUNIT_ASSERT(get(options) != nullptr);
        CPPUNIT_ASSERT(eventuallyServing(1, options));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(options).counters.replaced);
        useTooMuch(options);
        CPPUNIT_ASSERT(eventuallyReplaced(1, options));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, group(options).counters.spawned);
        CPPUNIT_ASSERT_EQUAL(4U, factory_->attempts());
    }

    void testClearEndsAReplacement() {
        get(limited()).reset();
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        pool_->clear();
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }));
        get(limited()).reset();
        useTooMuch();
        CPPUNIT_ASSERT(
            eventually([this] { return instances().size() == 1 && instances()[0].replacementReason.empty(); }));
    }

    void testThePoolsEndEndsAReplacement() {
        const HeldPtr session = get(limited());
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        pool_->shutDown();
        CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING).size());
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::SHUT_DOWN));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolReplacementTest);

}  // namespace Passenger
