// One job, live: its life, how to use its result, and all of its primes.
import "./job.css";

import { useSubscription } from "urql";

import { FollowJobDetailsDocument, type JobDetailsFragment } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { JobActions } from "../jobs/JobActions";
import { Status } from "../jobs/Status";
import { Heading } from "../shell/Heading";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import { Commands } from "./Commands";
import { Facts } from "./Facts";
import { Files } from "./Files";
import { Outcome } from "./Outcome";
import { Primes } from "./primes/Primes";
import { Progress } from "./Progress";
import { Timeline } from "./Timeline";

export function JobView({ id }: { id: string }) {
  const [{ data, error }] = useSubscription({ query: FollowJobDetailsDocument, variables: { id } });
  const event = data?.jobUpdates;
  if (event?.__typename === "JobUpdate") return <JobDetails job={event.job} />;
  return (
    <>
      <Heading title="Job" />
      {event === undefined && !error && <p className="faint">Loading …</p>}
      {error && <p role="alert">{error.message}</p>}
      {event?.__typename === "JobNotFound" && <Missing id={id} />}
    </>
  );
}

function Missing({ id }: { id: string }) {
  return (
    <section className="panel">
      <p role="alert">
        There is no job <code>{id}</code>. It has expired, belongs to another key, or never existed: check the address.
      </p>
      <p>
        <Link href={href({})}>All jobs</Link>
      </p>
    </section>
  );
}

function JobDetails({ job }: { job: JobDetailsFragment }) {
  const title = `${formatNumber(job.count)} ${job.count === 1 ? "prime" : "primes"} from ${formatNumber(job.start)}`;
  return (
    <div className="job">
      <div className="job-title">
        <Heading title={title} />
        <Status status={job.status} />
        <JobActions job={job} />
      </div>
      <Progress job={job} />
      <Outcome job={job} />
      <Primes job={job} />
      <div className="job-side">
        <Timeline job={job} />
        <Facts job={job} />
        {job.result.downloads.length > 0 && <Files job={job} />}
      </div>
      <Commands job={job} />
    </div>
  );
}
