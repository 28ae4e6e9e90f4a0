"""Who asks where they stand in line, or how long it still takes. Pure: knows no ticket."""

import re

from faq.text import essence

_LINE = re.compile(
    r"(?:请问|那|现在|目前|我|我们|我的|排队|已经|这边|工单|队伍|到|还)*"
    r"(?:排|轮)(?:队)?(?:到|在)?(?:了)?(?:第几|几号|多少号|多少位|哪里|哪儿|哪|我)(?:个|位|名|号|了|啊|呀|呢|吗|没|没有)*"
    r"|(?:请问|那|现在|目前|我|我的|还|排队|队伍)*(?:前面|前边|排在前面的|前头)(?:还|现在|一共|大概|排|有|剩|共)*"
    r"(?:多少|几)(?:个|位|名)?(?:人|工单|张|单)?(?:在)?(?:排队|等)?(?:了|啊|呀|呢|吗)*"
    r"|(?:请问|那|到底|大概|现在|还|要)*(?:什么时候|啥时候|几时|多久|多久才|何时)(?:才|能|会|可以)*(?:轮|排)到我(?:了|啊|呀|呢|吗)*"
    r"|(?:现在|排队|队伍)*(?:有)?(?:多长|多少人)(?:在)?(?:排队)?|(?:我的|现在的)*(?:排队|排)?(?:位置|名次|序号)"
    r"|(?:and |so |ok )?(?:what|where)(?: is|s| am|re)?(?: i| my| we)?(?: place| position| number| spot)?(?: now)?"
    r"(?: in (?:the )?(?:queue|line))(?: now| please)?"
    r"|(?:what(?: is|s) )?my (?:place|position|number|spot)(?: in (?:the )?(?:queue|line))?"
    r"|how many (?:people |tickets |others )?(?:are )?(?:there )?(?:ahead|before|in front)(?: of)?(?: me| us)?"
    r"|(?:queue|line) position|when (?:is|s) it my turn|(?:is it )?my turn(?: yet)?|am i next"
)
_LONG = re.compile(
    r"(?:请问|那|我|我们|到底|大概|大约|现在|差不多|还|要|得|需要|再|预计)*(?:等|排队|排)?(?:多久|多长时间|多少时间|几分钟|几个小时|几天)"
    r"(?:才|能|会|可以|有|给|处理|解决|回复|答复|回|弄|搞|完|好|人|我|轮到|结果|到|呢|啊|呀|吗|了)*"
    r"|(?:请问|那|到底|大概|你们|客服|人工|现在)*(?:什么时候|啥时候|几时|何时)(?:才|能|会|可以|有|给|人|来|处理|解决|回复|答复|回|理|弄|完|好|我|结果|呢|啊|呀|吗)*"
    r"|(?:and |so |but |then )?how (?:much longer|long)(?: (?:do|does|will|would|is|it|i|we|you|this|that|have|need"
    r"|take|takes|be|to|wait|still|must"
    r"|the|for|an|a|answers?|reply|replies|response|until|till|someone|somebody|anyone|gets?|left|more|here))*"
    r"|when (?:will|can|does|do|would|is)(?: (?:someone|somebody|anyone|a|an|the|person|human|agent|you|i|we|it|this|be"
    r"|get|gets|going|to|my|me|us"
    r"|answer|answers|answered|reply|replies|respond|response|solved|handled|settled|done|hear|back|from|expect|turn|there))+"
)


def asks_place(text: str) -> bool:
    """Whether all of it asks for a place in line: "我排第几", "where am I in the queue"."""
    return len(text) < 60 and bool(_LINE.fullmatch(essence(text)))


def asks_how_long(text: str) -> bool:
    """Whether all of it asks how long, and not what for: "还要多久", "how much longer"."""
    return len(text) < 60 and bool(_LONG.fullmatch(essence(text)))
