#include "policy/MemoryBudget.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>
#include <vector>

namespace Passenger {

using namespace std::chrono_literals;

/** Sizes are in bytes; the budget is 1000. New instances of each application have 100. */
class MemoryBudgetTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryBudgetTest);
    CPPUNIT_TEST(testWithoutABudgetNothingHappens);
    CPPUNIT_TEST(testSharesAreEqualPartsOrOwnBudgets);
    CPPUNIT_TEST(testTheIdleInstanceOfTheApplicationThatIsMostOverItsShareEndsFirst);
    CPPUNIT_TEST(testTheInstanceThatHasGrownMostEndsAfterItsRequests);
    CPPUNIT_TEST(testAnInstanceBesideOthersEndsIfNoneHasGrown);
    CPPUNIT_TEST(testWhatLeavesIsNotEndedTwice);
    CPPUNIT_TEST(testNearTheBudgetTheLargestLeakerIsReplacedWhileItsSuccessorHasRoom);
    CPPUNIT_TEST(testAnApplicationsOwnBudget);
    CPPUNIT_TEST(testFurtherInstancesKeepTheReserve);
    CPPUNIT_TEST(testTheFirstInstanceGetsRoom);
    CPPUNIT_TEST(testBorrowedMemoryIsGivenBack);
    CPPUNIT_TEST(testASuccessorStartsIfItHasRoom);
    CPPUNIT_TEST(testUnderPressureATenthHasToGo);
    CPPUNIT_TEST(testTheBudgetIsLookedAtMoreOftenWhenItIsNear);
    CPPUNIT_TEST_SUITE_END();

    using State = BudgetInstance::State;
    using Kind = MemoryBudget::Action::Kind;
    using Start = MemoryBudget::Start;

    static constexpr MonotonicTime NOW{1h};

    static BudgetInstance one(std::size_t app, State state, std::uint64_t bytes, bool due = false,
                              std::chrono::nanoseconds age = 1min) {
        return {.app = app, .state = state, .bytes = bytes, .due = due, .since = NOW - age};
    }
    static BudgetInstance idle(std::size_t app, std::uint64_t bytes) {
        return one(app, State::IDLE, bytes);
    }
    static BudgetInstance busy(std::size_t app, std::uint64_t bytes) {
        return one(app, State::BUSY, bytes);
    }
    static BudgetInstance leaving(std::size_t app, std::uint64_t bytes) {
        return one(app, State::LEAVING, bytes);
    }
    static BudgetInstance due(std::size_t app, std::uint64_t bytes) {
        return one(app, State::BUSY, bytes, true);
    }
    static BudgetSnapshot with(std::vector<BudgetInstance> instances, std::size_t apps = 2) {
        return {.budget = 1000,
                .apps = std::vector<BudgetApp>(apps, BudgetApp{.fresh = 100}),
                .instances = std::move(instances)};
    }
    static BudgetSnapshot owning(std::uint64_t budget, std::vector<BudgetInstance> instances) {
        BudgetSnapshot snapshot = with(std::move(instances));
        snapshot.apps[0].budget = budget;
        return snapshot;
    }

    static std::string text(const std::optional<MemoryBudget::Action> &action) {
        static constexpr const char *KINDS[] = {"end", "drain", "replace"};
        return action ? std::string(KINDS[static_cast<int>(action->kind)]) + " " + std::to_string(action->instance)
                      : "-";
    }
    static std::string relief(const BudgetSnapshot &snapshot) {
        return text(MemoryBudget(snapshot).relief());
    }
    static std::string admission(const BudgetSnapshot &snapshot, std::size_t app, Start start = Start::GROW) {
        static constexpr const char *VERDICTS[] = {"start", "wait", "predecessor first"};
        const MemoryBudget::Admission found = MemoryBudget(snapshot).admit(app, start, NOW);
        return VERDICTS[static_cast<int>(found.verdict)] + (found.action ? ": " + text(found.action) : "");
    }
    static void expect(const std::string &what, const std::string &found, const char *comment = "") {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, what, found);
    }

public:
    void testWithoutABudgetNothingHappens() {
        BudgetSnapshot snapshot = with({idle(0, 9000), busy(1, 9000)});
        snapshot.budget = 0;
        expect("-", relief(snapshot));
        expect("start", admission(snapshot, 0));
        expect("start", admission(snapshot, 1, Start::SUCCESSOR));
        CPPUNIT_ASSERT(!MemoryBudget(snapshot).isNear());
    }

    void testSharesAreEqualPartsOrOwnBudgets() {
        BudgetSnapshot snapshot = with({idle(0, 10), idle(1, 10)}, 3);
        snapshot.apps[0].budget = 700;
        const MemoryBudget budget(snapshot);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Its own", std::uint64_t{700}, budget.shareOf(0));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("An equal part", std::uint64_t{500}, budget.shareOf(1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("What it would be with an instance", std::uint64_t{333}, budget.shareOf(2));
    }

    void testTheIdleInstanceOfTheApplicationThatIsMostOverItsShareEndsFirst() {
        expect("-", relief(with({idle(0, 600), idle(1, 400)})), "Within the budget, borrowed memory stays");
        expect("end 0", relief(with({idle(0, 700), busy(1, 400)})));
        expect("end 2", relief(with({idle(0, 400), idle(1, 100), idle(1, 600)})), "The largest of several");
        expect("end 1", relief(with({idle(0, 600), idle(1, 900), idle(2, 10)}, 3)), "The one that is more over");
        expect("end 1", relief(with({busy(0, 900), idle(0, 120)}, 1)), "Idle before busy");
    }

    void testTheInstanceThatHasGrownMostEndsAfterItsRequests() {
        expect("drain 1", relief(with({busy(0, 400), busy(1, 700)})));
        expect("drain 1", relief(with({idle(0, 400), busy(1, 700)})), "An idle one within its share stays");
        expect("drain 1", relief(with({one(0, State::HELD, 700), busy(1, 400)})), "One that is disabled stays");
        expect("drain 0", relief(with({due(0, 700), busy(1, 400)})), "Though its successor is on its way");
        expect("end 1", relief(with({busy(0, 101), idle(1, 450), busy(2, 500)}, 3)), "It is idle and over its share");
    }

    void testAnInstanceBesideOthersEndsIfNoneHasGrown() {
        BudgetSnapshot snapshot = with({busy(0, 450), idle(1, 450), idle(1, 10), busy(0, 140)});
        snapshot.apps[0].fresh = snapshot.apps[1].fresh = 450;
        expect("end 1", relief(snapshot), "Idle, though within its share");
        snapshot.instances = {busy(0, 450), busy(0, 440), busy(1, 200)};
        expect("drain 0", relief(snapshot), "Busy, and over its share");
        snapshot.instances = {busy(0, 200), busy(0, 200), busy(1, 640)};
        expect("-", relief(snapshot), "Busy ones of an application within its share stay");
        snapshot.instances = {busy(0, 600), busy(1, 600)};
        expect("-", relief(snapshot), "An application's only instance stays if it has not grown");
        CPPUNIT_ASSERT(MemoryBudget(snapshot).isExceeded());
    }

    void testWhatLeavesIsNotEndedTwice() {
        expect("-", relief(with({leaving(0, 700), busy(1, 400)})));
        expect("drain 1", relief(with({leaving(0, 700), busy(1, 1400)})));
    }

    void testNearTheBudgetTheLargestLeakerIsReplacedWhileItsSuccessorHasRoom() {
        expect("-", relief(with({busy(0, 600), busy(1, 200)})));
        expect("replace 0", relief(with({busy(0, 600), busy(1, 210)})));
        expect("replace 1", relief(with({busy(0, 300), busy(0, 500), busy(1, 100)})), "The largest");
        expect("-", relief(with({due(0, 600), busy(1, 210)})), "It is being replaced");
        expect("-", relief(with({busy(0, 700), busy(1, 210)})), "A successor has no room");
        expect("replace 0", relief(with({busy(0, 810)}, 1)), "The share of a single application is the budget");
        BudgetSnapshot steady = with({busy(0, 149), busy(0, 149), busy(0, 149), busy(0, 149), busy(1, 290)});
        steady.apps[1].fresh = 200;
        expect("-", relief(steady), "What warms up is no leak");
        expect("-", relief(with({busy(0, 250), busy(1, 149), busy(1, 149), busy(1, 149), busy(1, 149)})),
               "It is within its share");
    }

    void testAnApplicationsOwnBudget() {
        expect("end 0", relief(owning(300, {idle(0, 301)})));
        expect("drain 1", relief(owning(300, {busy(0, 120), busy(0, 190)})));
        expect("replace 0", relief(owning(300, {busy(0, 180)})));
        expect("-", relief(owning(300, {busy(0, 120), busy(1, 600)})));
        expect("wait", admission(owning(300, {busy(0, 150)}), 0));
        expect("start", admission(owning(300, {busy(0, 130)}), 0));
        expect("predecessor first", admission(owning(300, {due(0, 250)}), 0, Start::SUCCESSOR));
        expect("wait", admission(owning(300, {leaving(0, 250)}), 0), "The old one ends first");
        expect("start", admission(owning(50, {}), 0), "An instance that is alone always starts");
        BudgetSnapshot alone = owning(300, {busy(0, 301), busy(0, 90), busy(1, 9000)});
        alone.budget = 0;
        expect("drain 0", relief(alone), "Without a budget of the server");
        expect("start", admission(alone, 1));
    }

    void testFurtherInstancesKeepTheReserve() {
        expect("start", admission(with({busy(0, 100), busy(1, 700)}), 0));
        expect("wait", admission(with({busy(0, 100), busy(1, 701)}), 0));
        expect("wait", admission(with({busy(0, 400), busy(1, 101)}), 0), "It may become as large as the others");
        BudgetSnapshot starting = with({busy(0, 100), busy(1, 600)});
        starting.apps[1].starting = 2;
        expect("wait", admission(starting, 0), "Those on their way count");
        BudgetSnapshot unknown = with({busy(0, 850)});
        unknown.apps[1].fresh = 0;
        unknown.instances.push_back(busy(1, 0));
        expect("wait", admission(unknown, 1), "An unknown application counts as others do");
    }

    void testTheFirstInstanceGetsRoom() {
        expect("start", admission(with({busy(0, 900)}), 1));
        expect("wait: end 1", admission(with({busy(0, 400), idle(0, 520)}), 1), "Idle and over its share");
        expect("wait: end 1", admission(with({busy(0, 600), idle(1, 310)}, 3), 2), "Any idle one");
        expect("wait: drain 0", admission(with({busy(0, 950)}), 1), "A busy one over its share");
        BudgetSnapshot young = with({one(0, State::BUSY, 950, false, 4s)});
        expect("wait", admission(young, 1), "It serves for a time first");
        expect("wait: drain 1", admission(with({busy(0, 470), busy(1, 475)}, 4), 3), "The one that is more over");
        expect("wait", admission(with({busy(0, 330), busy(1, 330), busy(2, 300)}, 3), 2), "Further ones do not");
        expect("wait", admission(with({busy(0, 400), leaving(0, 550)}), 1), "Room comes soon");
        BudgetSnapshot large = with({});
        large.apps[0].fresh = 5000;
        expect("start", admission(large, 0), "An instance that is alone always starts");
    }

    void testBorrowedMemoryIsGivenBack() {
        expect("wait: end 1", admission(with({busy(0, 400), idle(0, 400), busy(1, 100)}), 1));
        expect("wait", admission(with({busy(0, 400), idle(0, 100), busy(1, 450)}), 1), "That would be over its share");
        expect("wait", admission(with({idle(0, 800), busy(1, 100)}), 1), "The last one stays");
    }

    void testASuccessorStartsIfItHasRoom() {
        expect("start", admission(with({due(0, 900)}), 0, Start::SUCCESSOR));
        expect("predecessor first", admission(with({due(0, 901)}), 0, Start::SUCCESSOR));
        expect("wait", admission(with({due(0, 600), leaving(0, 350)}), 0, Start::SUCCESSOR), "Room comes soon");
        expect("wait: end 2", admission(with({due(0, 300), idle(1, 300), idle(1, 320)}), 0, Start::SUCCESSOR),
               "Others give back what they have borrowed");
    }

    void testUnderPressureATenthHasToGo() {
        BudgetSnapshot snapshot = with({idle(0, 100), idle(0, 100), busy(1, 100)});
        expect("-", relief(snapshot));
        snapshot.pressed = true;
        expect("end 0", relief(snapshot));
        snapshot.instances[0].state = State::LEAVING;
        expect("-", relief(snapshot), "A tenth at a time");
        expect("wait", admission(snapshot, 1), "Nothing further starts");
        expect("start", admission(with({busy(0, 300)}), 1), "But for a first instance");
        snapshot = with({busy(0, 100), busy(1, 100)});
        snapshot.pressed = true;
        expect("-", relief(snapshot), "The only busy instance stays");
        snapshot = with({idle(0, 100), idle(0, 90), busy(1, 700)});
        snapshot.apps[0].pressed = true;
        expect("end 0", relief(snapshot), "The pressure of the application's control group");
    }

    void testTheBudgetIsLookedAtMoreOftenWhenItIsNear() {
        CPPUNIT_ASSERT(!MemoryBudget(with({busy(0, 500)})).isNear());
        CPPUNIT_ASSERT(MemoryBudget(with({busy(0, 510)})).isNear());
        CPPUNIT_ASSERT(MemoryBudget(owning(100, {busy(0, 51)})).isNear());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryBudgetTest);

}  // namespace Passenger
