#include "policy/MemoryBudget.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>
#include <vector>

#include "policy/MemoryAdmission.h"
#include "policy/MemoryRelief.h"

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
    CPPUNIT_TEST(testAFullServerOfWarmInstancesIsLeftAlone);
    CPPUNIT_TEST(testWhileNoSizeIsKnownOneInstanceStarts);
    CPPUNIT_TEST(testAnInstanceThatTakesLongToLeaveHoldsUpNoFirstOne);
    CPPUNIT_TEST(testInstancesEndOnlyIfThatSuffices);
    CPPUNIT_TEST(testALargeFirstInstanceGetsIdleOnesAtOnceAndBusyOnesLater);
    CPPUNIT_TEST(testAFirstInstanceThatHasWaitedTakesMore);
    CPPUNIT_TEST(testAnInstanceIsRestoredWithoutAReserve);
    CPPUNIT_TEST(testPredecessorsEndOnlyIfThatMakesRoom);
    CPPUNIT_TEST(testSuccessorsStartUnderPressure);
    CPPUNIT_TEST(testUnderPressureBusyInstancesStay);
    CPPUNIT_TEST(testApplicationsWithoutABudgetAreNotTouched);
    CPPUNIT_TEST(testAnAdoptedInstanceStandsForANewOne);
    CPPUNIT_TEST(testTheBudgetIsLookedAtMoreOftenWhenItIsNear);
    CPPUNIT_TEST_SUITE_END();

    using State = BudgetInstance::State;
    using Kind = MemoryBudget::Action::Kind;
    using Start = MemoryAdmission::Start;

    static constexpr MonotonicTime NOW{1h};

    static BudgetInstance one(std::size_t app, State state, std::uint64_t bytes, bool due = false,
                              std::chrono::nanoseconds age = 1min) {
        return {.app = app,
                .state = state,
                .bytes = bytes,
                .grown = bytes > 100 ? bytes - 100 : 0,
                .growsOn = true,
                .due = due,
                .since = NOW - age};
    }
    static BudgetInstance idle(std::size_t app, std::uint64_t bytes) { return one(app, State::IDLE, bytes); }
    static BudgetInstance busy(std::size_t app, std::uint64_t bytes) { return one(app, State::BUSY, bytes); }
    static BudgetInstance leaving(std::size_t app, std::uint64_t bytes) {
        return one(app, State::LEAVING, bytes, false, 1s);
    }
    static BudgetInstance due(std::size_t app, std::uint64_t bytes) { return one(app, State::BUSY, bytes, true); }
    static BudgetSnapshot with(std::vector<BudgetInstance> instances, std::size_t apps = 2) {
        return {.now = NOW,
                .budget = 1000,
                .apps = std::vector<BudgetApp>(apps, BudgetApp{.fresh = 100}),
                .instances = std::move(instances)};
    }
    static BudgetSnapshot owning(std::uint64_t budget, std::vector<BudgetInstance> instances) {
        BudgetSnapshot snapshot = with(std::move(instances));
        snapshot.apps[0].budget = budget;
        return snapshot;
    }

    /** None of the instances grows any more. */
    static BudgetSnapshot warm(BudgetSnapshot snapshot) {
        for (BudgetInstance &instance : snapshot.instances) {
            instance.growsOn = false;
        }
        return snapshot;
    }

    static std::string text(const std::vector<MemoryBudget::Action> &actions) {
        static constexpr const char *KINDS[] = {"end", "drain", "replace"};
        std::string text;
        for (const MemoryBudget::Action &action : actions) {
            text += (text.empty() ? "" : ", ") + std::string(KINDS[static_cast<int>(action.kind)]) + " " +
                    std::to_string(action.instance);
        }
        return text.empty() ? "-" : text;
    }
    static std::string relief(const BudgetSnapshot &snapshot) { return text(reliefOf(MemoryBudget(snapshot))); }
    static std::string admission(const BudgetSnapshot &snapshot, std::size_t app, Start start = Start::GROW) {
        static constexpr const char *VERDICTS[] = {"start", "wait", "predecessor first", "never"};
        const MemoryAdmission found = MemoryAdmission::of(MemoryBudget(snapshot), app, start);
        return VERDICTS[static_cast<int>(found.verdict)] + (found.actions.empty() ? "" : ": " + text(found.actions));
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
        expect("start", admission(snapshot, 1, Start::REPLACE));
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
        expect("end 1", relief(warm(with({busy(0, 900), idle(0, 120)}, 1))), "Idle before busy");
    }

    void testTheInstanceThatHasGrownMostEndsAfterItsRequests() {
        expect("drain 1", relief(with({busy(0, 400), busy(1, 700)})));
        expect("drain 1", relief(with({idle(0, 400), busy(1, 700)})), "An idle one within its share stays");
        expect("drain 1", relief(with({one(0, State::HELD, 700), busy(1, 400)})), "One that is held stays");
        expect("drain 0", relief(with({due(0, 700), busy(1, 400)})), "Though its successor is on its way");
        expect("end 1", relief(with({busy(0, 101), idle(1, 450), busy(2, 500)}, 3)), "It is idle and over its share");
    }

    void testAnInstanceBesideOthersEndsIfNoneHasGrown() {
        BudgetSnapshot snapshot = with({busy(0, 450), idle(1, 450), idle(1, 10), busy(0, 140)});
        snapshot.apps[0].fresh = snapshot.apps[1].fresh = 450;
        expect("end 1", relief(warm(snapshot)), "Idle, though within its share");
        snapshot.instances = {busy(0, 450), busy(0, 440), busy(1, 200)};
        expect("drain 0", relief(warm(snapshot)), "Busy, and over its share");
        snapshot.instances = {busy(0, 200), busy(0, 200), busy(1, 640)};
        expect("-", relief(warm(snapshot)), "Busy ones of an application within its share stay");
        snapshot.instances = {busy(0, 600), busy(1, 600)};
        expect("-", relief(warm(snapshot)), "An application's only instance stays if it does not leak");
        CPPUNIT_ASSERT(MemoryBudget(warm(snapshot)).isExceeded(std::nullopt));
    }

    void testWhatLeavesIsNotEndedTwice() {
        expect("-", relief(with({leaving(0, 700), busy(1, 400)})));
        expect("drain 1", relief(with({leaving(0, 700), busy(1, 1400)})));
    }

    void testNearTheBudgetTheLargestLeakerIsReplacedWhileItsSuccessorHasRoom() {
        expect("-", relief(with({busy(0, 600), busy(1, 250)})));
        expect("replace 0", relief(with({busy(0, 600), busy(1, 260)})));
        expect("replace 1", relief(with({busy(0, 300), busy(0, 500), busy(1, 60)})), "The largest");
        expect("-", relief(with({due(0, 600), busy(1, 260)})), "It is being replaced");
        expect("-", relief(with({busy(0, 700), busy(1, 210)})), "A successor has no room");
        expect("replace 0", relief(with({busy(0, 860)}, 1)), "The share of a single application is the budget");
        BudgetSnapshot steady = with({busy(0, 149), busy(0, 149), busy(0, 149), busy(0, 149), busy(1, 290)});
        steady.instances[4].grown = 90;
        steady.apps[1].fresh = 200;
        expect("-", relief(steady), "So little is no leak");
        expect("-", relief(with({busy(0, 260), busy(1, 149), busy(1, 149), busy(1, 149), busy(1, 149)})),
               "It is within its share");
    }

    void testAnApplicationsOwnBudget() {
        expect("end 0", relief(owning(300, {idle(0, 301)})));
        expect("drain 1", relief(owning(300, {busy(0, 120), busy(0, 190)})));
        expect("replace 0", relief(owning(300, {busy(0, 190)})));
        expect("-", relief(owning(300, {busy(0, 120), busy(1, 600)})));
        expect("wait", admission(owning(300, {busy(0, 150)}), 0));
        expect("start", admission(owning(300, {busy(0, 130)}), 0));
        expect("predecessor first", admission(owning(300, {due(0, 250)}), 0, Start::REPLACE));
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
        expect("start", admission(with({due(0, 900)}), 0, Start::REPLACE));
        expect("predecessor first", admission(with({due(0, 901)}), 0, Start::REPLACE));
        expect("wait", admission(with({due(0, 600), leaving(0, 350)}), 0, Start::REPLACE), "Room comes soon");
        expect("wait: end 2", admission(with({due(0, 300), idle(1, 300), idle(1, 320)}), 0, Start::REPLACE),
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

    void testAFullServerOfWarmInstancesIsLeftAlone() {
        std::vector<BudgetInstance> all(5, busy(0, 180));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("They would be replaced if they leaked", std::string("replace"),
                                     relief(with(all, 1)).substr(0, 7));
        expect("-", relief(warm(with(all, 1))), "Their growth has ended");
        all.assign(5, one(0, State::BUSY, 180, false, 59s));
        expect("-", relief(with(all, 1)), "A successor would soon be as large");
        all.assign(5, busy(0, 200));
        all.push_back(busy(0, 60));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Above the budget, leaks end at any age", std::string("drain"),
                                     relief(with(all, 1)).substr(0, 5));
        expect("drain 0", relief(warm(with(all, 1))), "Somebody has to");
        all.assign(4, busy(0, 180));
        all.push_back(busy(0, 129));
        expect("-", relief(with(all, 1)), "The reserve of replacements is half of that for growth");
        expect("wait", admission(with(all, 1), 0));
    }

    void testWhileNoSizeIsKnownOneInstanceStarts() {
        BudgetSnapshot snapshot = with({}, 3);
        for (BudgetApp &app : snapshot.apps) {
            app.fresh = 0;
        }
        expect("start", admission(snapshot, 0));
        snapshot.apps[1].starting = 1;
        snapshot.apps[1].startedAt = NOW - 1s;
        expect("wait", admission(snapshot, 0), "One is on its way");
        CPPUNIT_ASSERT(MemoryAdmission::of(MemoryBudget(snapshot), 0, Start::GROW).waitsFor ==
                       MemoryAdmission::For::SIZE);
        snapshot.apps[1].startedAt = NOW - 10s;
        expect("start", admission(snapshot, 0), "It may hang");
        snapshot.apps[1].starting = 0;
        snapshot.instances.push_back(one(1, State::IDLE, 0, false, 1s));
        expect("wait", admission(snapshot, 0), "It is not measured");
        expect("wait", admission(snapshot, 1), "Nor does the same application get another one");
        snapshot.instances[0].since = NOW - 10s;
        expect("start", admission(snapshot, 0), "It cannot be measured");
        snapshot.instances[0].bytes = snapshot.apps[1].fresh = 400;
        snapshot.apps[0].starting = snapshot.apps[2].starting = 1;
        expect("wait", admission(snapshot, 0), "Each is as large as the known one");
        snapshot.budget = 0;
        snapshot.apps[0].budget = 500;
        snapshot.apps[1].fresh = snapshot.instances[0].bytes = 0;
        snapshot.instances[0].since = NOW;
        snapshot.apps[0].starting = 0;
        expect("start", admission(snapshot, 0), "Others have no budget");
    }

    void testAnInstanceThatTakesLongToLeaveHoldsUpNoFirstOne() {
        BudgetSnapshot snapshot = with({leaving(0, 500), idle(0, 450)});
        expect("wait", admission(snapshot, 1), "It leaves soon");
        snapshot.instances[0].since = NOW - 2s;
        expect("wait: end 1", admission(snapshot, 1));
        snapshot.instances[1].state = State::BUSY;
        expect("wait", admission(snapshot, 1), "Busy ones would take as long");
        snapshot.instances[0].since = NOW - 30s;
        snapshot.instances.push_back(busy(0, 100));
        expect("wait: drain 1", admission(snapshot, 1), "It may never leave");
    }

    void testInstancesEndOnlyIfThatSuffices() {
        expect("wait: end 0", admission(with({idle(0, 510), one(0, State::HELD, 480)}), 1));
        BudgetSnapshot large = with({idle(0, 510), one(0, State::HELD, 480)});
        large.apps[1].fresh = 521;
        expect("wait", admission(large, 1));
        large = with({idle(0, 200), idle(0, 160), busy(1, 600)}, 3);
        large.apps[2].fresh = 300;
        expect("wait: end 0, end 1", admission(large, 2), "More than one may be needed");
        large = with({idle(0, 50), idle(1, 300), busy(0, 620)}, 3);
        large.apps[2].fresh = 300;
        expect("wait: end 1", admission(large, 2), "No more than are needed");
        large.instances = {idle(0, 100), one(1, State::BUSY, 400), idle(1, 20), busy(0, 480)};
        large.apps[2].fresh = 320;
        expect("wait: drain 3", admission(large, 2), "Idle ones end when the busy one has ended");
        large.instances[3].since = NOW - 4s;
        large.instances[1].since = NOW - 4s;
        expect("wait", admission(large, 2), "Not before");
    }

    void testALargeFirstInstanceGetsIdleOnesAtOnceAndBusyOnesLater() {
        BudgetSnapshot snapshot = with({idle(0, 300), idle(1, 200)}, 3);
        snapshot.apps[2].fresh = 1001;
        expect("never", admission(snapshot, 2));
        snapshot.apps[2].fresh = 600;
        expect("wait: end 0", admission(snapshot, 2), "An idle one, though within its share");
        snapshot.instances[0].bytes = 400;
        expect("wait: end 0", admission(snapshot, 2), "One over its share");
        snapshot.instances[0].state = State::BUSY;
        expect("wait: end 1", admission(snapshot, 2), "Only the idle one");
        snapshot.instances[1].state = State::HELD;
        expect("wait", admission(snapshot, 2), "Not at once if it is busy");
        snapshot.apps[2].waited = 30s;
        expect("wait: drain 0", admission(snapshot, 2), "But after a time");
        snapshot.instances = {leaving(0, 300)};
        snapshot.apps[2].fresh = 1001;
        expect("wait", admission(snapshot, 2), "It will be alone");
        snapshot.instances.clear();
        expect("start", admission(snapshot, 2), "It is alone");
    }

    void testAFirstInstanceThatHasWaitedTakesMore() {
        BudgetSnapshot snapshot = with({busy(0, 240), busy(1, 120), busy(1, 120), busy(2, 240)}, 4);
        snapshot.apps[3].fresh = 150;
        snapshot.instances.push_back(one(3, State::LEAVING, 240, false, 1min));
        expect("wait", admission(snapshot, 3), "All are within their shares");
        snapshot.apps[3].waited = 30s;
        expect("wait: drain 1", admission(snapshot, 3), "One beside another one");
        snapshot.instances[2].state = State::HELD;
        snapshot.instances[1].state = State::HELD;
        snapshot.instances[3].since = NOW - 2min;
        expect("wait: drain 3", admission(snapshot, 3), "Else the one that has served longest");
        snapshot.instances[0].since = snapshot.instances[3].since = NOW - 29s;
        expect("wait", admission(snapshot, 3), "As long as the first one has waited");
    }

    void testAnInstanceIsRestoredWithoutAReserve() {
        expect("wait", admission(with({busy(0, 200), busy(1, 700)}), 0));
        expect("start", admission(with({busy(0, 200), busy(1, 700)}), 0, Start::RESTORE));
        expect("wait", admission(with({busy(0, 200), busy(1, 701)}), 0, Start::RESTORE));
        BudgetSnapshot pressed = with({busy(0, 200), busy(1, 600)});
        pressed.pressed = true;
        expect("start", admission(pressed, 0, Start::RESTORE));
    }

    void testPredecessorsEndOnlyIfThatMakesRoom() {
        expect("predecessor first", admission(with({due(0, 500), busy(1, 500)}), 0, Start::REPLACE));
        expect("wait", admission(with({due(0, 200), busy(1, 901)}), 0, Start::REPLACE), "It would not");
        expect("wait", admission(with({due(0, 200), busy(0, 200), busy(1, 901)}), 0, Start::REPLACE));
        expect("predecessor first", admission(with({busy(0, 200), busy(0, 200), busy(1, 900)}), 0, Start::DEPLOY),
               "All of the old version may have to end");
        expect("predecessor first", admission(owning(50, {busy(0, 200), busy(1, 300)}), 0, Start::DEPLOY),
               "It will be alone in its own budget");
        expect("wait", admission(with({busy(0, 200), busy(1, 1000)}), 0, Start::DEPLOY));
    }

    void testSuccessorsStartUnderPressure() {
        BudgetSnapshot snapshot = with({due(0, 200), busy(1, 200)});
        snapshot.pressed = snapshot.apps[0].pressed = true;
        expect("start", admission(snapshot, 0, Start::REPLACE));
        expect("start", admission(snapshot, 0, Start::DEPLOY));
        expect("wait", admission(snapshot, 0));
    }

    void testUnderPressureBusyInstancesStay() {
        BudgetSnapshot snapshot = with({busy(0, 400), busy(0, 300), idle(1, 100)});
        snapshot.pressed = true;
        expect("-", relief(snapshot));
        snapshot.apps[1].pressed = true;
        expect("-", relief(snapshot), "Nor does the last idle one of an application within its share");
        snapshot.instances[1].bytes = 600;
        expect("drain 0", relief(snapshot), "But above the budget");
    }

    void testApplicationsWithoutABudgetAreNotTouched() {
        BudgetSnapshot snapshot = owning(300, {idle(0, 90), idle(0, 90), idle(1, 90), idle(1, 90)});
        snapshot.budget = 0;
        snapshot.pressed = snapshot.apps[1].pressed = true;
        expect("-", relief(snapshot));
        expect("start", admission(snapshot, 1));
        CPPUNIT_ASSERT(!MemoryBudget(snapshot).isExceeded(std::nullopt));
        snapshot.apps[0].pressed = true;
        expect("end 0", relief(snapshot));
    }

    void testAnAdoptedInstanceStandsForANewOne() {
        BudgetSnapshot snapshot = with({busy(0, 300), busy(0, 200), busy(1, 420)});
        snapshot.apps[0].fresh = snapshot.apps[1].fresh = 0;
        snapshot = warm(snapshot);
        expect("wait", admission(snapshot, 0, Start::RESTORE));
        snapshot.instances[2].bytes = 300;
        expect("start", admission(snapshot, 0, Start::RESTORE));
    }

    void testTheBudgetIsLookedAtMoreOftenWhenItIsNear() {
        CPPUNIT_ASSERT(!MemoryBudget(with({busy(0, 500)})).isNear());
        CPPUNIT_ASSERT(MemoryBudget(with({busy(0, 510)})).isNear());
        CPPUNIT_ASSERT(MemoryBudget(owning(100, {busy(0, 51)})).isNear());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryBudgetTest);

}  // namespace Passenger
