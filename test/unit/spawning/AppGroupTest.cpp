#include "spawning/AppGroup.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "rights/OwnRights.h"
#include "spawning/AppGroups.h"
#include "support/CapturedLog.h"

namespace Passenger {

/** What limits of a control group do is counted by application. A folder of files stands for the
 *  kernel's. */
class AppGroupTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppGroupTest);
    CPPUNIT_TEST(testEffectsOfLimitsAreCountedAndLogged);
    CPPUNIT_TEST(testTheCountsOfAGroupThatHasEndedStay);
    CPPUNIT_TEST(testWithoutAGroupThereIsNothingToCount);
    CPPUNIT_TEST(testTheCountsOfAnApplicationThatIsForgottenAreForgotten);
    CPPUNIT_TEST(testNoGroupEndsWhileItsProcessesAreTakenOver);
    CPPUNIT_TEST(testAProcessThatStartsBeforeATakeOverJoinsTheGroupOfBefore);
    CPPUNIT_TEST(testALimitWithoutEffectIsLoggedOnceWheneverItComes);
    CPPUNIT_TEST_SUITE_END();

    class FakeRights final : public OwnRights {
    public:
        GroupJoined joinGroup(const FileDescriptor & /*pidFd*/, const GroupRequest & /*wanted*/) override {
            return joined;
        }
        void endGroup(const std::string &group) noexcept override { ended = group; }
        GroupJoined joined;
        std::string ended;
    };

    const std::string folder_ =
        (std::filesystem::temp_directory_path() / ("app-group-test-" + std::to_string(::getpid()))).string();
    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<FakeRights> rights_;
    Options options_;

    void kernelSays(unsigned kills, unsigned refused) {
        std::ofstream(folder_ + "/memory.events") << "max " << 10 * kills << "\noom_kill " << kills << "\n";
        std::ofstream(folder_ + "/pids.events") << "max " << refused << "\n";
    }
    AppGroupPtr placedIn(AppGroups &groups) const {
        AppGroupPtr group = groups.of(options_, 1);
        group->joinGroup(FileDescriptor(), options_);
        return group;
    }

public:
    void setUp() override {
        std::filesystem::create_directories(folder_);
        log_ = std::make_unique<CapturedLog>();
        rights_ = std::make_unique<FakeRights>();
        rights_->joined.group = "blog-u1-p2-1";
        rights_->joined.path = folder_;
        Rights::use(rights_.get());
        options_.appGroupName = "blog";
    }

    void tearDown() override {
        Rights::use(nullptr);
        rights_.reset();
        log_.reset();
        std::filesystem::remove_all(folder_);
    }

    void testEffectsOfLimitsAreCountedAndLogged() {
        AppGroups groups;
        const AppGroupPtr group = placedIn(groups);
        CPPUNIT_ASSERT(CgroupEvents() == groups.eventsOf("blog"));
        CPPUNIT_ASSERT(!log_->contains("event=cgroups.limit_reached"));
        kernelSays(2, 0);
        CPPUNIT_ASSERT((CgroupEvents{2, 20, 0}) == groups.eventsOf("blog"));
        CPPUNIT_ASSERT(
            log_->contains("event=cgroups.limit_reached app=\"blog\" group=\"blog-u1-p2-1\" "
                           "directive=PassengerMemoryMax count=2"));
        CPPUNIT_ASSERT(!log_->contains("directive=PassengerTasksMax"));
        kernelSays(2, 5);
        group->look();
        CPPUNIT_ASSERT((CgroupEvents{2, 20, 5}) == groups.eventsOf("blog"));
        CPPUNIT_ASSERT(log_->contains("directive=PassengerTasksMax count=5"));
        CPPUNIT_ASSERT(CgroupEvents() == groups.eventsOf("blo"));
        CPPUNIT_ASSERT(CgroupEvents() == groups.eventsOf("blog2"));
    }

    void testTheCountsOfAGroupThatHasEndedStay() {
        AppGroups groups;
        AppGroupPtr group = placedIn(groups);
        kernelSays(1, 0);
        group.reset();
        CPPUNIT_ASSERT_EQUAL(std::string("blog-u1-p2-1"), rights_->ended);
        CPPUNIT_ASSERT((CgroupEvents{1, 10, 0}) == groups.eventsOf("blog"));
        // The kernel counts anew in a new group.
        kernelSays(0, 0);
        group = placedIn(groups);
        kernelSays(1, 1);
        CPPUNIT_ASSERT((CgroupEvents{2, 20, 1}) == groups.eventsOf("blog"));
    }

    /** Each deploy to a new folder is another application. */
    void testTheCountsOfAnApplicationThatIsForgottenAreForgotten() {
        AppGroups groups;
        AppGroupPtr group = placedIn(groups);
        kernelSays(1, 0);
        group.reset();
        const auto forgetOthersThan = [&groups](const std::string &known) {
            groups.keepEvents([&known](const std::string &app) { return app == known; });
        };
        forgetOthersThan("blog");
        forgetOthersThan("shop");
        // It may be known only to a later look.
        CPPUNIT_ASSERT((CgroupEvents{1, 10, 0}) == groups.eventsOf("blog"));
        forgetOthersThan("blog");
        forgetOthersThan("shop");
        CPPUNIT_ASSERT((CgroupEvents{1, 10, 0}) == groups.eventsOf("blog"));
        forgetOthersThan("shop");
        CPPUNIT_ASSERT(CgroupEvents() == groups.eventsOf("blog"));
    }

    void testNoGroupEndsWhileItsProcessesAreTakenOver() {
        AppGroups groups;
        groups.keep(true);
        // The first one has ended before the second one comes.
        groups.named("blog", "blog-u1-p2-1").reset();
        CPPUNIT_ASSERT_EQUAL(std::string(), rights_->ended);
        AppGroupPtr group = groups.named("blog", "blog-u1-p2-1");
        groups.keep(false);
        CPPUNIT_ASSERT((std::vector<std::string>{"blog-u1-p2-1"}) == groups.names());
        group.reset();
        CPPUNIT_ASSERT_EQUAL(std::string("blog-u1-p2-1"), rights_->ended);
    }

    /** Else the application could use its limits twice. */
    void testAProcessThatStartsBeforeATakeOverJoinsTheGroupOfBefore() {
        AppGroups groups;
        AppGroupPtr left = groups.named("blog", "blog-u1-p2-1");
        CPPUNIT_ASSERT(left == groups.of(options_, 1));
        CPPUNIT_ASSERT(left != groups.of(options_, 2));
        left.reset();
        CPPUNIT_ASSERT_EQUAL(std::string("blog-u1-p2-1"), rights_->ended);
    }

    /** A reload may set it while instances run, and so while the group is there. */
    void testALimitWithoutEffectIsLoggedOnceWheneverItComes() {
        AppGroups groups;
        const AppGroupPtr first = placedIn(groups);
        CPPUNIT_ASSERT(!log_->contains("event=cgroups.limit_without_effect"));
        rights_->joined.problems = {"no controller \"memory\""};
        const AppGroupPtr second = placedIn(groups);
        const AppGroupPtr third = placedIn(groups);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=cgroups.limit_without_effect app=\"blog\" error=\"no controller"));
    }

    void testWithoutAGroupThereIsNothingToCount() {
        AppGroups groups;
        rights_->joined = GroupJoined();
        kernelSays(1, 1);
        const AppGroupPtr group = placedIn(groups);
        group->look();
        CPPUNIT_ASSERT(CgroupEvents() == groups.eventsOf("blog"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppGroupTest);

}  // namespace Passenger
