#include "base/CpuQuota.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A folder stands for the hierarchy, and a file for /proc/PID/cgroup. */
class CpuQuotaTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CpuQuotaTest);
    CPPUNIT_TEST(testWithoutCgroupsThereIsNoQuota);
    CPPUNIT_TEST(testTheGroupsOfAProcessAndThoseAboveHaveQuotas);
    CPPUNIT_TEST(testAContainerSeesItsOwnGroupAsTheRoot);
    CPPUNIT_TEST(testAGroupOutsideOfTheNamespaceHasNone);
    CPPUNIT_TEST(testAQuotaOfAllProcessorsLimitsNothing);
    CPPUNIT_TEST(testAPartOfAProcessorIsNoWholeOne);
    CPPUNIT_TEST(testTheUseIsThePartOfTheQuota);
    CPPUNIT_TEST(testAGroupThatIsStoppedHasUsedItsQuota);
    CPPUNIT_TEST(testTheGroupWithTheMostUseCounts);
    CPPUNIT_TEST(testAQuotaThatIsNewHasNoUseYet);
    CPPUNIT_TEST(testAnotherProcessHasItsOwnFiles);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned PROCESSORS = 8;

    std::optional<ApplicationFolder> folder_;
    CgroupFiles files_;

    void write(const std::string &path, const std::string &text) const {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << text << std::flush;
    }
    void belongTo(const std::string &group) const {
        write(files_.membership, "4:memory:/x\n1:cpu:/y\n0::" + group + "\n");
    }
    void limit(const std::string &group, const std::string &limit, const std::string &statistics = "") const {
        write(files_.hierarchy + group + "/cpu.max", limit);
        write(files_.hierarchy + group + "/cpu.stat", statistics);
    }
    static CpuQuota quota(const std::string &folder, double cores, std::chrono::microseconds used) {
        CpuQuota made;
        made.folder = folder;
        made.cores = cores;
        made.used = used;
        return made;
    }

public:
    void setUp() override {
        folder_.emplace("");
        files_ = {folder_->path() + "/membership", folder_->path() + "/hierarchy"};
    }

    void tearDown() override { folder_.reset(); }

    void testWithoutCgroupsThereIsNoQuota() {
        CPPUNIT_ASSERT(cpuQuotas(files_, PROCESSORS).empty());
        write(files_.membership, "1:cpu:/y\n");
        limit("", "50000 100000");
        CPPUNIT_ASSERT(cpuQuotas(files_, PROCESSORS).empty());
        CPPUNIT_ASSERT(!leastQuota({}));
        CPPUNIT_ASSERT(!quotaUse({}, {}, 1s));
    }

    void testTheGroupsOfAProcessAndThoseAboveHaveQuotas() {
        belongTo("/a/b/c");
        limit("/a", "400000 100000\n", "usage_usec 90\nuser_usec 60\nnr_periods 5\nnr_throttled 3\nthrottled_usec 8\n");
        limit("/a/b", "max 100000\n");
        limit("/a/b/c", "150000 100000\n", "usage_usec 12\n");
        const auto quotas = cpuQuotas(files_, PROCESSORS);
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), quotas.size());
        CPPUNIT_ASSERT_EQUAL(files_.hierarchy + "/a/b/c", quotas[0].folder);
        CPPUNIT_ASSERT_EQUAL(1.5, quotas[0].cores);
        CPPUNIT_ASSERT(quotas[0].used == 12us && quotas[0].periods == 0 && quotas[0].throttled == 0);
        CPPUNIT_ASSERT_EQUAL(4.0, quotas[1].cores);
        CPPUNIT_ASSERT(quotas[1].used == 90us && quotas[1].periods == 5 && quotas[1].throttled == 3);
        CPPUNIT_ASSERT_EQUAL(1.5, leastQuota(quotas).value());
    }

    void testAContainerSeesItsOwnGroupAsTheRoot() {
        limit("", "50000 100000\n", "usage_usec 7\n");
        belongTo("/");
        CPPUNIT_ASSERT_EQUAL(0.5, leastQuota(cpuQuotas(files_, PROCESSORS)).value());
        // Its files are mounted, and /proc tells where they are outside.
        belongTo("/system.slice/container-1");
        CPPUNIT_ASSERT_EQUAL(0.5, leastQuota(cpuQuotas(files_, PROCESSORS)).value());
    }

    void testAGroupOutsideOfTheNamespaceHasNone() {
        limit("", "50000 100000\n");
        belongTo("/../other");
        CPPUNIT_ASSERT(cpuQuotas(files_, PROCESSORS).empty());
    }

    void testAQuotaOfAllProcessorsLimitsNothing() {
        belongTo("/a");
        limit("/a", "800000 100000\n");
        CPPUNIT_ASSERT(cpuQuotas(files_, 8).empty());
        CPPUNIT_ASSERT_EQUAL(8.0, leastQuota(cpuQuotas(files_, 9)).value());
    }

    void testAPartOfAProcessorIsNoWholeOne() {
        CPPUNIT_ASSERT_EQUAL(8U, wholeProcessors(files_, PROCESSORS));
        belongTo("/a");
        limit("/a", "190000 100000\n");
        CPPUNIT_ASSERT_EQUAL(1U, wholeProcessors(files_, PROCESSORS));
        limit("/a", "50000 100000\n");
        CPPUNIT_ASSERT_EQUAL(1U, wholeProcessors(files_, PROCESSORS));
    }

    void testTheUseIsThePartOfTheQuota() {
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.25, quotaUse({quota("a", 2, 1s)}, {quota("a", 2, 1500ms)}, 1s).value(), 1e-9);
        CPPUNIT_ASSERT_EQUAL(0.0, quotaUse({quota("a", 2, 1s)}, {quota("a", 2, 1s)}, 1s).value());
        // The kernel may let a group use what it has saved.
        CPPUNIT_ASSERT_EQUAL(1.0, quotaUse({quota("a", 2, 1s)}, {quota("a", 2, 4s)}, 1s).value());
        // The group was made anew.
        CPPUNIT_ASSERT_EQUAL(0.0, quotaUse({quota("a", 2, 4s)}, {quota("a", 2, 1s)}, 1s).value());
    }

    void testAGroupThatIsStoppedHasUsedItsQuota() {
        CpuQuota before = quota("a", 2, 1s);
        before.periods = 100;
        before.throttled = 50;
        CpuQuota after = quota("a", 2, 1500ms);
        after.periods = 110;
        after.throttled = 58;
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.8, quotaUse({before}, {after}, 1s).value(), 1e-9);
        after.throttled = 52;
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.25, quotaUse({before}, {after}, 1s).value(), 1e-9);
    }

    void testTheGroupWithTheMostUseCounts() {
        const auto use = quotaUse({quota("own", 1, 0s), quota("above", 2, 0s)},
                                  {quota("own", 1, 100ms), quota("above", 2, 1800ms)}, 1s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.9, use.value(), 1e-9);
    }

    void testAQuotaThatIsNewHasNoUseYet() {
        CPPUNIT_ASSERT(!quotaUse({}, {quota("a", 1, 1s)}, 1s));
        CPPUNIT_ASSERT(!quotaUse({quota("b", 1, 1s)}, {quota("a", 1, 1s)}, 1s));
    }

    void testAnotherProcessHasItsOwnFiles() {
        CPPUNIT_ASSERT_EQUAL(std::string("/proc/7/cgroup"), CgroupFiles::of(7).membership);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CpuQuotaTest);

}  // namespace Passenger
