# frozen_string_literal: true

# For tests of Python instances that name their site by `site`: they run a second time, on the same
# server, with the site pure.test, whose instances have no native code.
module RunsPure
  PURE = "SetEnv PASSENGER_NATIVE off\n"

  def self.included(tests)
    tests.extend(ClassMethods)
  end

  # See above.
  module ClassMethods
    # Repeats the tests of this class, but for those with such names.
    def repeat_without_native_code(but: /\A\z/)
      names = public_instance_methods(false).map(&:to_s).grep(/\Atest_/).grep_v(but)
      (names - [IntegrationTest::LAST]).each do |name|
        define_method("#{name}_without_native_code") do
          @site = "pure.test"
          send(name)
        end
      end
    end
  end
end
