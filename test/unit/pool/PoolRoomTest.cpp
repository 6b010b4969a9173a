// Pool: several applications that want more instances than there may be.

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolRoomTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolRoomTest);
    CPPUNIT_TEST(testTheApplicationWhoseRequestHasWaitedLongestComesFirst);
    CPPUNIT_TEST(testAnApplicationWithoutInstancesGetsRoomBeforeOneThatHasSome);
    CPPUNIT_TEST(testAnInstanceAboveTheMinimumOfItsApplicationIsEvictedFirst);
    CPPUNIT_TEST(testTheInstancesOfAnEventLoopWithWhichItStartsAreItsMinimumInAFullPool);
    CPPUNIT_TEST(testTheApplicationThatRecentlyNeededItsInstancesLeastGivesOneUp);
    CPPUNIT_TEST(testAnInstanceThatIsAboutToTakeARequestIsNotEvicted);
    CPPUNIT_TEST(testTheMinimumsOfTwoApplicationsDoNotEvictEachOther);
    CPPUNIT_TEST(testTheStartInstancesOfTwoApplicationsDoNotEvictEachOther);
    CPPUNIT_TEST(testABusyApplicationGivesRoomToOneWithoutInstances);
    CPPUNIT_TEST(testABusyApplicationGivesUpNoInstanceInItsFirstSecond);
    CPPUNIT_TEST(testIdleInstancesEndBesideOneThatDoesNotEndSoon);
    CPPUNIT_TEST(testASecondBusyInstanceEndsBesideOneThatDoesNotEndSoon);
    CPPUNIT_TEST(testNoApplicationStarvesBesideABusyOne);
    CPPUNIT_TEST(testBusyApplicationsShareThePoolFairly);
    CPPUNIT_TEST(testARequestWhoseClientLeftNeedsNoRoom);
    CPPUNIT_TEST(testARequestThatTimedOutNeedsNoRoom);
    CPPUNIT_TEST(testAFailedStartLeavesItsRoomToOthers);
    CPPUNIT_TEST(testADeadInstanceMakesRoomForTheRequestThatHasWaitedLongest);
    CPPUNIT_TEST(testALoweredMaximumIsReachedAsAnotherApplicationNeedsRoom);
    CPPUNIT_TEST(testARaisedMaximumServesTheOldestRequestFirst);
    CPPUNIT_TEST(testAfterAFailedDeployTheLastInstanceOutlivesTheIdleTime);
    CPPUNIT_TEST(testAfterAFailedDeployAnotherApplicationGivesUpItsInstance);
    CPPUNIT_TEST(testAfterAFailedDeployARequestWaitsForSecondsOnlyBesideTheIdleInstance);
    CPPUNIT_TEST(testAfterAFailedDeployTheBudgetDoesNotTakeTheLastInstance);
    CPPUNIT_TEST_SUITE_END();

    /** An instance tells the pool nothing when it becomes idle. The pool looks so often. */
    static constexpr std::chrono::milliseconds ROOM_LOOK{100};

    const Options blog_ = app("/srv/blog");
    const Options shop_ = app("/srv/shop");
    const Options wiki_ = app("/srv/wiki");
    /** How many more of their starts get through. */
    std::atomic<unsigned> blogs_ = 0;
    std::atomic<unsigned> shops_ = 0;

    /** All three instances of blog have a request, and may give room. */
    std::vector<HeldPtr> fill() {
        std::vector<HeldPtr> held(3);
        std::generate(held.begin(), held.end(), [this] { return get(blog_); });
        clock_.advance(2s);
        return held;
    }
    /** Only the requests of instances that are to end go on. */
    void keepDraining(std::vector<HeldPtr> &held, std::size_t number) const {
        const std::vector<InstanceId> draining = instancesThat(Process::State::DRAINING, blog_);
        CPPUNIT_ASSERT_EQUAL(number, draining.size());
        std::erase_if(held, [&](const HeldPtr &request) {
            return std::find(draining.begin(), draining.end(), idOf(request, blog_)) == draining.end();
        });
    }
    unsigned waitingForRoom() const { return pool_->inspect().waitingForRoom; }

public:
    void testTheApplicationWhoseRequestHasWaitedLongestComesFirst() {
        setMax(1);
        get(wiki_).reset();
        HeldPtr session = get(blog_);
        const AnswerPtr older = ask(shop_);
        clock_.advance(1ms);
        const AnswerPtr younger = ask(wiki_);
        CPPUNIT_ASSERT_EQUAL(2U, waitingForRoom());
        session.reset();
        pass(ROOM_LOOK);
        session = older->session();
        CPPUNIT_ASSERT(!younger->here());
        CPPUNIT_ASSERT_EQUAL(1U, size());
        session.reset();
        pass(ROOM_LOOK);
        CPPUNIT_ASSERT(younger->comes());
        CPPUNIT_ASSERT_EQUAL(0U, waitingForRoom());
    }

    void testAnApplicationWithoutInstancesGetsRoomBeforeOneThatHasSome() {
        setMax(2);
        HeldPtr one = get(blog_);
        const HeldPtr other = get(blog_);
        const AnswerPtr first = ask(shop_);
        clock_.advance(500ms);
        const AnswerPtr more = ask(blog_);
        CPPUNIT_ASSERT(!first->here());
        advance(1s, 1s);
        // From here on one of blog's is as good as shop's.
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, blog_).size());
        one.reset();
        CPPUNIT_ASSERT(first->comes());
        CPPUNIT_ASSERT(!more->here());
    }

    void testAnInstanceAboveTheMinimumOfItsApplicationIsEvictedFirst() {
        setMax(3);
        Options kept = blog_;
        kept.minInstances = 1;
        get(kept).reset();
        clock_.advance(1s);
        warmUp(2, shop_);
        get(wiki_).reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(shop_).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(shop_).counters.evicted);
    }

    void testTheInstancesOfAnEventLoopWithWhichItStartsAreItsMinimumInAFullPool() {
        setMax(4);
        Options node = blog_;
        node.appType = "node";
        node.threads = Options::NO_THREAD_LIMIT;
        node.startInstances = 2;
        get(node).reset();
        CPPUNIT_ASSERT(eventually([this] { return instances(blog_).size() == 2; }));
        clock_.advance(1s);
        warmUp(2, shop_);
        get(wiki_).reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(shop_).size());
    }

    void testTheApplicationThatRecentlyNeededItsInstancesLeastGivesOneUp() {
        setMax(3);
        get(blog_).reset();
        warmUp(2, shop_);
        // The pool looks every eighth of the idle time which applications had requests.
        advance(8s, 1s);
        get(blog_).reset();
        advance(8s, 1s);
        get(wiki_).reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(shop_).size());
    }

    void testAnInstanceThatIsAboutToTakeARequestIsNotEvicted() {
        setMax(1);
        // Without a step, the instance takes nothing.
        const AnswerPtr first = requests_->ask(blog_);
        const AnswerPtr second = requests_->ask(shop_);
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, waitingForRoom());
        const HeldPtr session = first->session();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(blog_).counters.evicted);
        CPPUNIT_ASSERT(!second->here());
    }

    void testTheMinimumsOfTwoApplicationsDoNotEvictEachOther() {
        setMax(1);
        Options one = blog_;
        Options other = shop_;
        one.minInstances = other.minInstances = 1;
        get(one).reset();
        get(other).reset();
        advance(600s, 10s);
        CPPUNIT_ASSERT_EQUAL(2U, factory_->spawned());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(shop_).size());
    }

    void testTheStartInstancesOfTwoApplicationsDoNotEvictEachOther() {
        Options one = blog_;
        Options other = shop_;
        one.startInstances = other.startInstances = 2;
        factory_->beforeSpawn = [this](const Options &options) {
            std::atomic<unsigned> &passes = options.appRoot == blog_.appRoot ? blogs_ : shops_;
            eventually([&] {
                unsigned left = passes;
                return left > 0 && passes.compare_exchange_strong(left, left - 1);
            });
        };
        const AnswerPtr first = ask(one);
        const AnswerPtr second = ask(other);
        blogs_ = 1;
        // In its place comes the second of shop's.
        first->session().reset();
        pass(ROOM_LOOK);
        blogs_ = 1;
        CPPUNIT_ASSERT(eventuallyCount(1));
        shops_ = 1;
        second->session().reset();
        blogs_ = shops_ = 100;
        CPPUNIT_ASSERT(eventually([this] { return count() == 3 && size() == 3; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(4U, factory_->attempts());
    }

    void testABusyApplicationGivesRoomToOneWithoutInstances() {
        std::vector<HeldPtr> sessions;
        sessions.reserve(3);
        for (int i = 0; i < 3; i++) {
            sessions.push_back(get(blog_));
        }
        clock_.advance(2s);
        const AnswerPtr waiter = ask(shop_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, blog_).size());
        CPPUNIT_ASSERT(!waiter->here());
        sessions.clear();
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testABusyApplicationGivesUpNoInstanceInItsFirstSecond() {
        setMax(1);
        const HeldPtr session = get(blog_);
        clock_.advance(900ms);
        const AnswerPtr waiter = ask(shop_);
        CPPUNIT_ASSERT(instancesThat(Process::State::DRAINING, blog_).empty());
        clock_.advance(100ms);
        upkeep();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, blog_).size());
    }

    void testIdleInstancesEndBesideOneThatDoesNotEndSoon() {
        std::vector<HeldPtr> held = fill();
        const AnswerPtr waiter = ask(shop_);
        keepDraining(held, 1);
        advance(1s, ROOM_LOOK);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testASecondBusyInstanceEndsBesideOneThatDoesNotEndSoon() {
        std::vector<HeldPtr> held = fill();
        const AnswerPtr waiter = ask(shop_);
        advance(2900ms, ROOM_LOOK);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, blog_).size());
        const InstanceId slow = instancesThat(Process::State::DRAINING, blog_).front();
        // Only one of three ends in its place.
        advance(20s, ROOM_LOOK);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::DRAINING, blog_).size());
        CPPUNIT_ASSERT(!waiter->here());
        std::erase_if(held, [&](const HeldPtr &request) { return idOf(request, blog_) != slow; });
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testNoApplicationStarvesBesideABusyOne() {
        setMax(1);
        HeldPtr session = get(blog_);
        AnswerPtr next = ask(blog_);
        const AnswerPtr waiter = ask(shop_);
        // There is always somebody who waits for blog.
        for (int i = 0; i < 20 && !waiter->here(); i++) {
            clock_.advance(100ms);
            upkeep();
            session.reset();
            if (eventually([&] { return next->here() || waiter->here(); }) && next->here()) {
                session = next->session();
                next = ask(blog_);
            }
        }
        CPPUNIT_ASSERT(waiter->here());
    }

    void testBusyApplicationsShareThePoolFairly() {
        setMax(4);
        std::vector<HeldPtr> sessions;
        sessions.reserve(4);
        for (int i = 0; i < 4; i++) {
            sessions.push_back(get(blog_));
        }
        std::vector<AnswerPtr> waiters;
        waiters.reserve(4);
        for (int i = 0; i < 4; i++) {
            waiters.push_back(ask(shop_));
        }
        for (int i = 0; i < 10; i++) {
            advance(2s, 1s);
            sessions.erase(sessions.begin(),
                           sessions.begin() + static_cast<long>(instancesThat(Process::State::DRAINING, blog_).size()));
            eventually([&] { return size() == count(); });
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING, blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING, shop_).size());
    }

    void testARequestWhoseClientLeftNeedsNoRoom() {
        setMax(1);
        HeldPtr session = get(blog_);
        AnswerPtr waiting = ask(shop_);
        CPPUNIT_ASSERT_EQUAL(1U, waitingForRoom());
        waiting.reset();
        pass(ROOM_LOOK);
        CPPUNIT_ASSERT_EQUAL(0U, waitingForRoom());
        session.reset();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(blog_).size());
    }

    void testARequestThatTimedOutNeedsNoRoom() {
        setMax(1);
        HeldPtr session = get(blog_);
        Options hasty = shop_;
        hasty.maxQueueTime = 500ms;
        const AnswerPtr waiter = ask(hasty);
        clock_.advance(500ms);
        upkeep();
        CPPUNIT_ASSERT(waiter->here());
        pass(ROOM_LOOK);
        CPPUNIT_ASSERT_EQUAL(0U, waitingForRoom());
        session.reset();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testAFailedStartLeavesItsRoomToOthers() {
        setMax(1);
        factory_->hold();
        factory_->failuresToCome = 1;
        const AnswerPtr fails = ask(blog_);
        factory_->waitUntilHeld(1);
        const AnswerPtr waiter = ask(shop_);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        factory_->release();
        CPPUNIT_ASSERT(fails->failure().status == 500);
        CPPUNIT_ASSERT(waiter->session() != nullptr);
    }

    void testADeadInstanceMakesRoomForTheRequestThatHasWaitedLongest() {
        setMax(1);
        const HeldPtr session = get(blog_);
        const AnswerPtr older = ask(shop_);
        clock_.advance(1ms);
        const AnswerPtr younger = ask(blog_);
        die(0);
        CPPUNIT_ASSERT(older->comes());
        CPPUNIT_ASSERT(!younger->here());
        CPPUNIT_ASSERT_EQUAL(1U, size());
    }

    void testALoweredMaximumIsReachedAsAnotherApplicationNeedsRoom() {
        std::vector<HeldPtr> sessions;
        sessions.reserve(3);
        for (int i = 0; i < 3; i++) {
            sessions.push_back(get(blog_));
        }
        setMax(1);
        const AnswerPtr waiter = ask(shop_);
        sessions.pop_back();
        sessions.pop_back();
        pass(ROOM_LOOK);
        CPPUNIT_ASSERT_MESSAGE("There is still one", !waiter->here());
        CPPUNIT_ASSERT_EQUAL(1U, count());
        sessions.pop_back();
        pass(ROOM_LOOK);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testARaisedMaximumServesTheOldestRequestFirst() {
        setMax(1);
        const HeldPtr session = get(blog_);
        const AnswerPtr older = ask(shop_);
        clock_.advance(1ms);
        const AnswerPtr younger = ask(wiki_);
        setMax(2);
        CPPUNIT_ASSERT(older->comes());
        CPPUNIT_ASSERT(!younger->here());
        setMax(3);
        CPPUNIT_ASSERT(younger->comes());
    }

    void testAfterAFailedDeployTheLastInstanceOutlivesTheIdleTime() {
        warmUp(2, inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        const auto ends = [this](std::uint64_t count) {
            return eventually([&] {
                pass(10s);
                return group(inFolder()).counters.idled == count;
            });
        };
        CPPUNIT_ASSERT(ends(1));
        for (int i = 0; i < 20; i++) {
            pass(10s);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
        // A version that starts ends the exception.
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::SERVING, inFolder()));
        CPPUNIT_ASSERT(ends(2));
    }

    void testAfterAFailedDeployAnotherApplicationGivesUpItsInstance() {
        warmUp(1, inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        pass(2s);
        warmUp(1, app("/b"));
        pass(2s);
        warmUp(1, app("/c"));
        pass(2s);
        // The pool is full. The application in the folder has been idle for longest.
        CPPUNIT_ASSERT(ask(app("/d"))->session());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(app("/b")).counters.evicted);
    }

    void testAfterAFailedDeployARequestWaitsForSecondsOnlyBesideTheIdleInstance() {
        setMax(4);
        warmUp(1, inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        const std::vector<HeldPtr> held = fill();
        const AnswerPtr waiter = ask(shop_);
        advance(2900ms, ROOM_LOOK);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
        // Two instances are to end, and their requests go on.
        advance(3s, ROOM_LOOK);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT(instances(inFolder()).empty());
    }

    void testAfterAFailedDeployTheBudgetDoesNotTakeTheLastInstance() {
        PoolSettings settings = PoolContract::settings();
        settings.memoryBudget = 1000;
        pool_->configure(settings);
        const auto measure = [this](const Options &options, std::uint64_t megabytes) {
            setMemory(instances(options).at(0).id, megabytes * 1024 * 1024);
            pool_->checkMemory();
            pass(2s);
        };
        warmUp(1, inFolder());
        measure(inFolder(), 400);
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        warmUp(1, shop_);
        // Over its share, but no leak.
        measure(inFolder(), 590);
        measure(shop_, 450);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolRoomTest);

}  // namespace Passenger
