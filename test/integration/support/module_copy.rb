# frozen_string_literal: true

require "fileutils"

# A copy of the module. A test may replace it like a package's upgrade: with a new file of the same
# name.
class ModuleCopy
  attr_reader :path

  def initialize(folder)
    @path = File.join(folder, "mod_passenger.so")
    FileUtils.cp(TestEnvironment::PASSENGER_MODULE, @path)
  end

  # Replaces this copy by an altered module, in which the first letter of the product's name
  # differs. Returns the new name. (The name's end must stay: linkers let short strings share the
  # ends of longer ones.)
  def replace(product)
    content = File.binread(path)
    altered = product.swapcase[0] + product[1..]
    unless content.gsub!(product.b, altered.b)
      raise "#{path} does not have #{product.inspect} in it"
    end

    File.binwrite("#{path}.new", content)
    File.chmod(0o755, "#{path}.new")
    File.rename("#{path}.new", path)
    altered
  end
end
