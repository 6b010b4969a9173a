#include "rights/CgroupPlace.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/SpawningFixture.h"

namespace Passenger {

/** A folder stands for the mounted hierarchy. */
class CgroupPlaceTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CgroupPlaceTest);
    CPPUNIT_TEST(testWithoutCgroupsThereIsNoPlace);
    CPPUNIT_TEST(testAMountThatIsReadOnlyIsNoPlace);
    CPPUNIT_TEST(testRootMayUseTheRootGroup);
    CPPUNIT_TEST(testAGroupThatIsNotDelegatedIsNoPlace);
    CPPUNIT_TEST(testWithoutSystemdRootMayUseItsOwnGroup);
    CPPUNIT_TEST(testADelegatedGroupIsThePlace);
    CPPUNIT_TEST(testADelegatedParentComesFirst);
    CPPUNIT_TEST(testAnOrdinaryUserStaysInItsService);
    CPPUNIT_TEST(testTheMountMayBeAPartOfTheHierarchy);
    CPPUNIT_TEST(testAGroupOutsideOfTheMountIsNoPlace);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { std::filesystem::create_directories(folder_ + "/a/b"); }
    void tearDown() override { std::filesystem::remove_all(folder_); }

    void testWithoutCgroupsThereIsNoPlace() {
        assertNone({"", "0::/\n", false}, "not mounted");
        assertNone({mount("/", "rw", "cgroup"), "0::/\n", false}, "not mounted");
        assertNone({mount(), "1:cpu:/\n", false}, "not mounted");
    }

    void testAMountThatIsReadOnlyIsNoPlace() { assertNone({mount("/", "ro,nosuid"), "0::/\n", false}, "read-only"); }

    void testRootMayUseTheRootGroup() {
        if (isRoot()) {
            assertPlace(folder_, {mount(), "1:cpu:/x\n0::/\n", true});
        }
    }

    void testAGroupThatIsNotDelegatedIsNoPlace() {
        if (isRoot()) {
            assertNone({mount(), "0::/a/b\n", true}, "Delegate=yes");
        }
    }

    void testWithoutSystemdRootMayUseItsOwnGroup() {
        if (isRoot()) {
            assertPlace(folder_ + "/a/b", {mount(), "0::/a/b\n", false});
        }
    }

    void testADelegatedGroupIsThePlace() {
        delegate(folder_ + "/a/b");
        assertPlace(folder_ + "/a/b", {mount(), "0::/a/b\n", true});
    }

    void testADelegatedParentComesFirst() {
        delegate(folder_ + "/a");
        delegate(folder_ + "/a/b");
        assertPlace(folder_ + "/a", {mount(), "0::/a/b\n", true});
    }

    void testAnOrdinaryUserStaysInItsService() {
        if (!isRoot()) {
            return;
        }
        constexpr uid_t USER = 65534;
        std::filesystem::create_directories(folder_ + "/a/httpd");
        for (const std::string group : {"/a", "/a/b", "/a/httpd"}) {
            std::ofstream(folder_ + group + "/cgroup.procs").put('\n');
            CPPUNIT_ASSERT_EQUAL(0, ::chown((folder_ + group).c_str(), USER, -1));
            CPPUNIT_ASSERT_EQUAL(0, ::chown((folder_ + group + "/cgroup.procs").c_str(), USER, -1));
        }
        CPPUNIT_ASSERT_EQUAL(0, ::seteuid(USER));
        const auto service = CgroupPlace::find({mount(), "0::/a/b\n", true});
        const auto moved = CgroupPlace::find({mount(), "0::/a/httpd\n", true});
        CPPUNIT_ASSERT_EQUAL(0, ::seteuid(0));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/a/b", service.value_or("none"));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/a", moved.value_or("none"));
    }

    void testTheMountMayBeAPartOfTheHierarchy() {
        delegate(folder_ + "/a/b");
        assertPlace(folder_ + "/a/b", {mount("/x"), "0::/x/a/b\n", true});
    }

    void testAGroupOutsideOfTheMountIsNoPlace() {
        assertNone({mount("/x"), "0::/xy/a\n", false}, "not below");
        assertNone({mount(), "0::/../a\n", false}, "outside");
    }

private:
    static bool isRoot() { return ::geteuid() == 0; }

    std::string mount(const std::string &root = "/", const std::string &flags = "rw,nosuid",
                      const std::string &type = "cgroup2") const {
        return "25 20 0:22 / /proc rw - proc proc rw\n30 20 0:27 " + root + " " + folder_ + " " + flags +
               " shared:9 - " + type + " cgroup2 rw\n";
    }

    /** Delegates the group in the way of the service manager. */
    static void delegate(const std::string &group) {
        CPPUNIT_ASSERT_EQUAL(0, ::setxattr(group.c_str(), "user.delegate", "1", 1, 0));
        std::ofstream(group + "/cgroup.procs").put('\n');
    }

    static void assertPlace(const std::string &expected, const CgroupPlace::Facts &facts) {
        const auto place = CgroupPlace::find(facts);
        CPPUNIT_ASSERT_MESSAGE(place ? "" : place.error(), place.has_value());
        CPPUNIT_ASSERT_EQUAL(expected, *place);
    }
    static void assertNone(const CgroupPlace::Facts &facts, const std::string &reason) {
        const auto place = CgroupPlace::find(facts);
        CPPUNIT_ASSERT_MESSAGE(reason, !place.has_value());
        CPPUNIT_ASSERT_MESSAGE(place.error(), place.error().find(reason) != std::string::npos);
    }

    const std::string folder_ = "/var/tmp/passenger-unit-CgroupPlaceTest." + std::to_string(::getpid());
};

CPPUNIT_TEST_SUITE_REGISTRATION(CgroupPlaceTest);

}  // namespace Passenger
