"""escalated-django's `check_sla`: the breach marked on the ticket, and its signal handled."""

from datetime import timedelta

from benchmarks.peers import site


def fill(count: int) -> None:
    """Tickets whose first response was due an hour ago."""
    from django.utils import timezone
    from escalated.models import SlaPolicy, Ticket

    policy = SlaPolicy.objects.create(name="a day", is_default=True, first_response_hours={"medium": 24})
    due = timezone.now() - timedelta(hours=1)
    for first in range(0, count, site.PAGE):
        Ticket.objects.bulk_create(
            Ticket(
                reference=f"K-{number:06d}",
                subject="the code does not work",
                description="the code does not work",
                guest_email=f"buyer{number}@example.org",
                sla_policy=policy,
                first_response_due_at=due,
            )
            for number in range(first, min(first + site.PAGE, count))
        )


def handled() -> int:
    from escalated.models import Ticket

    return int(Ticket.objects.filter(sla_first_response_breached=True).count())


if __name__ == "__main__":
    site.measure(["escalated"], fill, "check_sla", handled)
