#include "agent/KeptAnswers.h"

#include <sys/stat.h>

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "support/LeakCheck.h"

namespace Passenger {

class KeptAnswersTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(KeptAnswersTest);
    CPPUNIT_TEST(testAnAnswerCanBeReadAndCannotBeResized);
    CPPUNIT_TEST(testTheOldestLargeAnswersOfAUserAreEmptied);
    CPPUNIT_TEST(testAUserHasNotAnyNumberOfAnswers);
    CPPUNIT_TEST(testAnOldAnswerIsEmptied);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t LARGE = KeptAnswers::MOST_BYTES / 4;

    static bool isEmpty(const Frame &answer) {
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(answer.descriptors.at(0).get(), &status));
        return status.st_blocks == 0;
    }

public:
    void testAnAnswerCanBeReadAndCannotBeResized() {
        KeptAnswers answers;
        Frame answer = answers.answer(7, "text");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, answer.number(0));
        const SharedMemory memory = SharedMemory::adopt(answer.takeDescriptor(0), 4);
        std::string text(4, '\0');
        memory.read(text.data(), text.size(), 0);
        CPPUNIT_ASSERT_EQUAL(std::string("text"), text);
    }

    void testTheOldestLargeAnswersOfAUserAreEmptied() {
        KeptAnswers answers;
        const Frame others = answers.answer(8, std::string(LARGE, 'x'));
        std::vector<Frame> all;
        for (unsigned count = 0; count < 8; count++) {
            all.push_back(answers.answer(7, std::string(LARGE, 'x')));
        }
        for (std::size_t index = 0; index < all.size(); index++) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(std::to_string(index), index < 3, isEmpty(all[index]));
        }
        CPPUNIT_ASSERT_MESSAGE("Another user's", !isEmpty(others));
    }

    void testAUserHasNotAnyNumberOfAnswers() {
        KeptAnswers answers;
        const Frame first = answers.answer(7, "text");
        for (std::size_t count = 1; count < KeptAnswers::MOST_ANSWERS; count++) {
            answers.answer(7, "text");
        }
        CPPUNIT_ASSERT(!isEmpty(first));
        answers.answer(7, "text");
        CPPUNIT_ASSERT(isEmpty(first));
    }

    void testAnOldAnswerIsEmptied() {
        KeptAnswers answers;
        const KeptAnswers::Time now = std::chrono::steady_clock::now();
        const Frame first = answers.answer(7, "text", now);
        answers.answer(8, "text", now + KeptAnswers::KEPT);
        CPPUNIT_ASSERT(!isEmpty(first));
        answers.answer(8, "text", now + KeptAnswers::KEPT + std::chrono::seconds(1));
        CPPUNIT_ASSERT(isEmpty(first));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(KeptAnswersTest);

}  // namespace Passenger
