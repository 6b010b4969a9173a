// Pool: instances that share a memory budget.

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The budget is 1000 MB, and a new instance has 100. */
class PoolMemoryBudgetTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolMemoryBudgetTest);
    CPPUNIT_TEST(testWithoutABudgetNothingChanges);
    CPPUNIT_TEST(testAnIdleInstanceOfTheApplicationOverItsShareEnds);
    CPPUNIT_TEST(testALeakerIsReplacedInOrderNearTheBudget);
    CPPUNIT_TEST(testABusyLeakerAboveTheBudgetEndsAfterItsRequest);
    CPPUNIT_TEST(testAFirstInstanceGetsTheRoomOfAnIdleOne);
    CPPUNIT_TEST(testAFirstInstanceComesBeforeFurtherOnes);
    CPPUNIT_TEST(testAFurtherInstanceWithinItsShareWaitsForNoFirstOne);
    CPPUNIT_TEST(testARequestWaitsForMemory);
    CPPUNIT_TEST(testSparesStartOnlyInFreeMemory);
    CPPUNIT_TEST(testAnApplicationHasABudgetOfItsOwn);
    CPPUNIT_TEST(testTheServersBudgetIsNoBudgetOfAnApplication);
    CPPUNIT_TEST(testANewVersionWithoutRoomStartsWhenTheOldOneHasEnded);
    CPPUNIT_TEST(testASuccessorWithoutRoomStartsWhenItsPredecessorHasEnded);
    CPPUNIT_TEST(testAPredecessorIsRestoredThoughNoReserveIsFree);
    CPPUNIT_TEST(testAColdStartGoesOnWhenTheFirstSizeIsKnown);
    CPPUNIT_TEST(testTheFirstInstanceOfAnApplicationIsMeasuredAtOnce);
    CPPUNIT_TEST(testOneThatItsOwnBudgetHoldsBackHoldsUpNobody);
    CPPUNIT_TEST(testAnInstanceThatTakesLongToEndHoldsUpNoFirstOne);
    CPPUNIT_TEST(testAnInstanceThatCannotFitIsRefused);
    CPPUNIT_TEST(testADeploymentUnderPressureTakesNothingDown);
    CPPUNIT_TEST(testApplicationsWithoutABudgetAreLeftAlone);
    CPPUNIT_TEST(testTheEndOfABudgetLeavesNothingBehind);
    CPPUNIT_TEST(testABudgetOfAnApplicationThatNothingCanKeepIsLogged);
    CPPUNIT_TEST(testIdleInstancesEndUnderPressure);
    CPPUNIT_TEST(testABudgetThatNothingCanKeepIsLogged);
    CPPUNIT_TEST(testTheNextClientGoesOnWithTheWaitOfTheLastOne);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t MB = 1024 * 1024;

    const Options blog_ = app("/srv/blog");
    const Options shop_ = app("/srv/shop");
    const Options wiki_ = app("/srv/wiki");

    void setBudget(unsigned megabytes, unsigned most = 9) {
        PoolSettings settings = PoolContract::settings();
        settings.maxSize = most;
        settings.memoryBudget = megabytes;
        pool_->configure(settings);
    }
    /** Begins with instances that are idle and known to have 100 MB. */
    void begin(const Options &options, unsigned instances = 1) {
        std::vector<AnswerPtr> answers;
        for (unsigned i = 0; i < instances; i++) {
            answers.push_back(ask(options));
        }
        std::vector<HeldPtr> requests;
        requests.push_back(answers[0]->session());
        use(options, 100);
        if (instances > 1) {
            // While no size was known, only one has started.
            pass(100ms);
        }
        for (unsigned i = 1; i < instances; i++) {
            requests.push_back(answers[i]->session());
        }
        requests.clear();
        use(options, 100);
    }
    /** Each instance has so much, as it is found at the next look. */
    void use(const Options &options, std::uint64_t megabytes) {
        for (const ProcessSnapshot &process : instances(options)) {
            setMemory(process.id, megabytes * MB);
        }
        pool_->checkMemory();
        step();
    }
    std::size_t serving(const Options &options) const { return instancesThat(Process::State::SERVING, options).size(); }

public:
    void setUp() override {
        PoolContract::setUp();
        setBudget(1000);
    }

    void testWithoutABudgetNothingChanges() {
        setBudget(0);
        begin(blog_, 2);
        pressure_ = 99;
        clock_.advance(5s);
        use(blog_, 9000);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving(blog_));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is not even measured", std::uint64_t{0}, instances(blog_)[0].memory);
        CPPUNIT_ASSERT(get(shop_) != nullptr);
    }

    void testAnIdleInstanceOfTheApplicationOverItsShareEnds() {
        begin(blog_);
        begin(shop_);
        use(shop_, 300);
        clock_.advance(1s);
        use(shop_, 400);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("All are within the budget", 2U, count());
        use(blog_, 650);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(shop_));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(blog_).counters.evicted);
        CPPUNIT_ASSERT(log_->count("event=instance.over_budget app=\"/srv/blog") == 1);
        CPPUNIT_ASSERT_MESSAGE("The next request starts another one", get(blog_) != nullptr);
    }

    void testALeakerIsReplacedInOrderNearTheBudget() {
        begin(blog_);
        begin(shop_);
        factory_->hold();
        clock_.advance(1min);
        use(blog_, 740);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("There is room enough", 2U, factory_->attempts());
        use(blog_, 760);
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT(instances(blog_)[0].replacementReason.find("it has grown to 760 MB") == 0);
        CPPUNIT_ASSERT_MESSAGE("No dip", get(blog_) != nullptr);
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(blog_).counters.replaced == 1; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(shop_).size());
    }

    void testABusyLeakerAboveTheBudgetEndsAfterItsRequest() {
        begin(blog_);
        begin(shop_);
        HeldPtr request = get(blog_);
        use(blog_, 950);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, blog_).size());
        const AnswerPtr next = ask(blog_);
        pass(1s);
        CPPUNIT_ASSERT_MESSAGE("Its memory is not free yet", !next->over());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        request.reset();
        CPPUNIT_ASSERT(next->comes());
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testAFirstInstanceGetsTheRoomOfAnIdleOne() {
        begin(blog_);
        begin(shop_);
        const HeldPtr request = get(shop_);
        use(shop_, 350);
        use(blog_, 590);
        clock_.advance(1s);
        const AnswerPtr first = ask(wiki_);
        CPPUNIT_ASSERT(first->comes());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, instances(blog_).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(shop_));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(blog_).counters.evicted);
    }

    void testAFirstInstanceComesBeforeFurtherOnes() {
        warmUp(1, wiki_);
        use(wiki_, 450);
        pool_->clear();
        CPPUNIT_ASSERT(eventuallyCount(0));
        begin(shop_);
        begin(blog_, 2);
        const HeldPtr one = get(blog_);
        const HeldPtr another = get(blog_);
        const HeldPtr other = get(shop_);
        use(blog_, 252);
        const AnswerPtr first = ask(wiki_);
        const AnswerPtr further = ask(blog_);
        advance(3s, 100ms);
        CPPUNIT_ASSERT_MESSAGE("The first one has no room", !first->over());
        CPPUNIT_ASSERT_MESSAGE("The further one would have some, but is over its share", !further->over());
        use(shop_, 40);
        pass(100ms);
        CPPUNIT_ASSERT(first->comes());
    }

    void testAFurtherInstanceWithinItsShareWaitsForNoFirstOne() {
        warmUp(1, wiki_);
        use(wiki_, 500);
        pool_->clear();
        CPPUNIT_ASSERT(eventuallyCount(0));
        begin(shop_);
        begin(blog_);
        const HeldPtr one = get(blog_);
        const HeldPtr other = get(shop_);
        use(shop_, 460);
        const AnswerPtr first = ask(wiki_);
        const AnswerPtr further = ask(blog_);
        advance(3s, 100ms);
        CPPUNIT_ASSERT(further->comes());
        CPPUNIT_ASSERT(!first->over());
    }

    void testARequestWaitsForMemory() {
        begin(blog_);
        const HeldPtr request = get(blog_);
        use(blog_, 600);
        const AnswerPtr waits = ask(blog_);
        advance(30s, 1s);
        CPPUNIT_ASSERT(!waits->over());
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=spawn.waits_for_memory app=\"/srv/blog"));
        use(blog_, 300);
        pass(100ms);
        CPPUNIT_ASSERT(waits->comes());
    }

    void testSparesStartOnlyInFreeMemory() {
        Options spare = blog_;
        spare.minSpareInstances = 1;
        begin(spare);
        CPPUNIT_ASSERT(eventuallyServing(1, spare));
        use(spare, 600);
        HeldPtr request = get(spare);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(1U, size());
        use(spare, 200);
        pass(1s);
        CPPUNIT_ASSERT(eventuallyServing(2, spare));
    }

    void testAnApplicationHasABudgetOfItsOwn() {
        setBudget(0);
        Options small = blog_;
        small.memoryBudget = 250;
        begin(small);
        HeldPtr request = get(small);
        const AnswerPtr waits = ask(small);
        pass(1s);
        CPPUNIT_ASSERT_MESSAGE("A second one fits", waits->comes());
        const HeldPtr second = waits->session();
        const AnswerPtr third = ask(small);
        use(small, 100);
        pass(1s);
        CPPUNIT_ASSERT(!third->over());
        CPPUNIT_ASSERT_EQUAL(2U, size());
        CPPUNIT_ASSERT(get(shop_) != nullptr);
        use(small, 200);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, small).size());
    }

    void testTheServersBudgetIsNoBudgetOfAnApplication() {
        Options inherits = blog_;
        inherits.memoryBudget = 1000;
        begin(inherits);
        begin(shop_);
        use(inherits, 550);
        const HeldPtr request = get(wiki_);
        clock_.advance(1s);
        use(shop_, 440);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The share is a third", std::size_t{0}, instances(inherits).size());
    }

    void testANewVersionWithoutRoomStartsWhenTheOldOneHasEnded() {
        begin(inFolder());
        HeldPtr request = get(inFolder());
        use(inFolder(), 149);
        setBudget(160);
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, inFolder()).size());
        const AnswerPtr next = ask(inFolder());
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        request.reset();
        CPPUNIT_ASSERT(next->comes());
        CPPUNIT_ASSERT(group(inFolder()).version == 2);
    }

    void testASuccessorWithoutRoomStartsWhenItsPredecessorHasEnded() {
        Options worn = blog_;
        worn.maxRequests = 2;
        begin(worn);
        use(worn, 149);
        setBudget(160);
        factory_->hold();
        get(worn).reset();
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The predecessor has ended", 0U, count());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(1, worn));
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(worn).counters.evicted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(worn).counters.replaced);
    }

    void testAPredecessorIsRestoredThoughNoReserveIsFree() {
        Options worn = blog_;
        worn.maxRequests = 2;
        begin(worn, 2);
        setBudget(215);
        get(worn).reset();
        CPPUNIT_ASSERT(eventually([&] { return factory_->attempts() == 3; }));
        CPPUNIT_ASSERT(eventuallyServing(2, worn));
    }

    void testAColdStartGoesOnWhenTheFirstSizeIsKnown() {
        const AnswerPtr first = ask(blog_);
        CPPUNIT_ASSERT(first->comes());
        const AnswerPtr second = ask(blog_);
        const AnswerPtr other = ask(shop_);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        CPPUNIT_ASSERT(!other->over());
        use(blog_, 600);
        pass(100ms);
        CPPUNIT_ASSERT_MESSAGE("Another one would exceed the budget", !second->over() && !other->over());
        use(blog_, 300);
        pass(100ms);
        CPPUNIT_ASSERT(other->comes());
    }

    void testTheFirstInstanceOfAnApplicationIsMeasuredAtOnce() {
        begin(blog_);
        upkeep();
        clock_.advance(100ms);
        const HeldPtr request = get(shop_);
        setMemory(instances(shop_)[0].id, 100 * MB);
        upkeep();
        CPPUNIT_ASSERT(eventually([this] { return instances(shop_)[0].memory == 100 * MB; }));
    }

    void testOneThatItsOwnBudgetHoldsBackHoldsUpNobody() {
        Options small = shop_;
        small.memoryBudget = 150;
        begin(small);
        const HeldPtr stuck = get(small);
        pool_->detach(idOf(stuck, small));
        const AnswerPtr first = ask(small);
        Options spare = blog_;
        spare.minSpareInstances = 2;
        begin(spare);
        advance(3s, 100ms);
        CPPUNIT_ASSERT_MESSAGE("Its predecessor has its memory", !first->over());
        CPPUNIT_ASSERT_MESSAGE("Others have spares", eventuallyServing(2, spare));
        begin(wiki_, 2);
        const HeldPtr one = get(wiki_);
        const HeldPtr another = get(wiki_);
        use(wiki_, 200);
        const AnswerPtr further = ask(wiki_);
        advance(3s, 100ms);
        CPPUNIT_ASSERT_MESSAGE("And grow beyond their share", further->comes());
    }

    void testAnInstanceThatTakesLongToEndHoldsUpNoFirstOne() {
        begin(shop_);
        begin(blog_);
        const HeldPtr stuck = get(blog_);
        use(blog_, 500);
        use(shop_, 450);
        pool_->detach(idOf(stuck, blog_));
        pass(1s);
        const AnswerPtr first = ask(wiki_);
        pass(100ms);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It may end at once", std::size_t{1}, serving(shop_));
        advance(2s, 100ms);
        CPPUNIT_ASSERT(first->comes());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, instances(shop_).size());
    }

    void testAnInstanceThatCannotFitIsRefused() {
        setBudget(3000);
        get(inFolder()).reset();
        use(inFolder(), 1200);
        setBudget(1000);
        pool_->clear();
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT_MESSAGE("It is alone", get(inFolder()) != nullptr);
        pool_->clear();
        CPPUNIT_ASSERT(eventuallyCount(0));
        begin(shop_);
        const AnswerPtr answer = ask(inFolder());
        CPPUNIT_ASSERT(answer->failure().summary.find("PassengerMemoryBudget") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=spawn.failed"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(shop_));
        restart();
        CPPUNIT_ASSERT_MESSAGE("A new version may be smaller", get(inFolder()) != nullptr);
    }

    void testADeploymentUnderPressureTakesNothingDown() {
        begin(inFolder());
        const HeldPtr request = get(inFolder());
        pressure_ = 50;
        use(inFolder(), 100);
        factory_->hold();
        restart();
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(inFolder()));
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
    }

    void testApplicationsWithoutABudgetAreLeftAlone() {
        setBudget(0);
        Options small = blog_;
        small.memoryBudget = 250;
        begin(small);
        warmUp(3, shop_);
        pressure_ = 50;
        clock_.advance(1s);
        use(shop_, 900);
        use(small, 100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving(shop_));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, pool_->inspect().memoryUsed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(shop_).memoryShare);
    }

    void testTheEndOfABudgetLeavesNothingBehind() {
        Options inherits = blog_;
        inherits.memoryBudget = 1000;
        begin(inherits, 2);
        CPPUNIT_ASSERT_EQUAL(1000 * MB, group(inherits).memoryShare);
        CPPUNIT_ASSERT_EQUAL(200 * MB, pool_->inspect().memoryUsed);
        setBudget(2000);
        use(inherits, 100);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It has no budget of its own", 2000 * MB, group(inherits).memoryShare);
        setBudget(0);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(inherits).memoryShare);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, pool_->inspect().memoryUsed);
        clock_.advance(5s);
        use(inherits, 900);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving(inherits));
        pool_->attach(inherits, Generation());
        use(inherits, 400);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("From options of now on it is its own", 1000 * MB, group(inherits).memoryShare);
    }

    void testABudgetOfAnApplicationThatNothingCanKeepIsLogged() {
        Options small = blog_;
        small.memoryBudget = 50;
        begin(shop_);
        const HeldPtr request = get(small);
        use(small, 100);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.budget_exceeded app=\"/srv/blog (production)\" mb=100 "
                                             "directive=PassengerMemoryBudget value=50"));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.budget_exceeded"));
        use(small, 40);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.budget_kept app="));
    }

    void testIdleInstancesEndUnderPressure() {
        begin(blog_, 3);
        begin(shop_);
        clock_.advance(1s);
        use(blog_, 100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serving(blog_));
        pressure_ = 10;
        use(blog_, 100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving(blog_));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.pressure state=begun"));
        pressure_ = 9;
        use(blog_, 100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, serving(blog_));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.pressure state=over"));
    }

    void testABudgetThatNothingCanKeepIsLogged() {
        setBudget(50);
        const HeldPtr request = get(blog_);
        use(blog_, 100);
        use(blog_, 100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, serving(blog_));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.budget_exceeded mb=100"));
        use(blog_, 40);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=memory.budget_kept mb=40"));
    }

    void testTheNextClientGoesOnWithTheWaitOfTheLastOne() {
        setBudget(200);
        begin(blog_);
        begin(wiki_);
        const HeldPtr one = get(blog_);
        const HeldPtr other = get(wiki_);
        for (int client = 0; client < 2; client++) {
            CPPUNIT_ASSERT(log_->count("event=instance.over_budget") == 0);
            const AnswerPtr answer = ask(shop_);
            advance(20s, 100ms);
        }
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=instance.over_budget"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolMemoryBudgetTest);

}  // namespace Passenger
