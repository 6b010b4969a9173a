# frozen_string_literal: true

# Twenty posts, always the same, however often this runs.
(1..20).each do |number|
  Post.find_or_create_by!(title: "Post #{number}") do |post|
    post.body = "Body of post number #{number}. Grüße & <b>plain text</b>, not markup."
  end
end
