import { cookies, headers } from "next/headers";
import { redirect } from "next/navigation";

async function remember(form) {
  "use server";
  (await cookies()).set("name", form.get("name"));
  redirect("/");
}

export default async function Page() {
  const name = (await cookies()).get("name")?.value;
  const proto = (await headers()).get("x-forwarded-proto");
  return <form action={remember}><p>Hello, {name}: {proto}</p><input name="name" /></form>;
}
