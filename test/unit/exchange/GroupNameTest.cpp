#include "exchange/GroupName.h"

#include <cppunit/extensions/HelperMacros.h>

#include <unordered_map>
#include <vector>

namespace Passenger {

class GroupNameTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(GroupNameTest);
    CPPUNIT_TEST(testOptionsFindTheEntryOfTheirName);
    CPPUNIT_TEST(testOptionsFindNoEntryOfAnotherName);
    CPPUNIT_TEST_SUITE_END();

    static Options make(const std::string &root, const std::string &environment, const std::string &group = "") {
        Options options;
        options.appRoot = root;
        options.environment = environment;
        options.appGroupName = group;
        return options;
    }
    static std::vector<Options> all() {
        return {make("/srv/blog", "production"),
                make("/srv/blog", "staging"),
                make("/srv/blo", "production"),
                make("", ""),
                make("/srv/blog (production)", ""),
                make("/srv/blog", "production", "blog"),
                make("/srv/a (b", "c")};
    }

public:
    void testOptionsFindTheEntryOfTheirName() {
        for (const Options &options : all()) {
            CPPUNIT_ASSERT_EQUAL(GroupNameHash()(options.groupName()), GroupNameHash()(options));
            CPPUNIT_ASSERT(GroupNameEqual()(options.groupName(), options));
            CPPUNIT_ASSERT(GroupNameEqual()(options, options.groupName()));
        }
        // A given name may equal the name that another application's folder and environment make.
        CPPUNIT_ASSERT(GroupNameEqual()("/srv/blog (production)", make("/x", "y", "/srv/blog (production)")));
    }

    void testOptionsFindNoEntryOfAnotherName() {
        std::unordered_map<std::string, std::size_t, GroupNameHash, GroupNameEqual> map;
        const std::vector<Options> each = all();
        for (std::size_t i = 0; i < each.size(); i++) {
            map.emplace(each[i].groupName(), i);
        }
        CPPUNIT_ASSERT_EQUAL(each.size(), map.size());
        for (std::size_t i = 0; i < each.size(); i++) {
            CPPUNIT_ASSERT_EQUAL(i, map.find(each[i])->second);
        }
        CPPUNIT_ASSERT(map.find(make("/srv/blog", "test")) == map.end());
        CPPUNIT_ASSERT(!GroupNameEqual()(std::string("/srv/blog (production"), make("/srv/blog", "production")));
        CPPUNIT_ASSERT(!GroupNameEqual()(std::string("/srv/blog [production)"), make("/srv/blog", "production")));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GroupNameTest);

}  // namespace Passenger
