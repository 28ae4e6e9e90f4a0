"""The words by which shops of this trade name their columns and statuses: English, pinyin and Chinese. Pure."""

import re
from collections.abc import Mapping, Sequence

from shop.adapters.live_schema import Holds, LiveColumn
from shop.port import OrderStatus

TEXT, WHOLE, DECIMAL, TIME, UUID = Holds.TEXT, Holds.WHOLE, Holds.DECIMAL, Holds.TIME, Holds.UUID
Words = tuple[str, str, Sequence[Holds]]  # names, the likeliest first; parts of remarks; what it may hold

OF_ORDERS: Mapping[str, Words] = {
    "order_no": (
        "order_sn order_no order_number orderno ordersn order_num order_code orderid out_order_id trade_no out_trade_no"
        " sn invoice_no invoice_number bill_no dingdanhao danhao ddh reference ref number order_id no code uid",
        "订单号 订单编号 单号 order number",
        (TEXT, UUID),
    ),
    "status": ("status order_status state order_state stat pay_status zhuangtai zt", "状态", (WHOLE, TEXT)),
    "kind": ("fulfillment_type delivery_type delivery_way type", "自动", (WHOLE, TEXT)),
    "sku": (
        "goods_id product_id commodity_id good_id item_id sku_id pid gid prod_id product_code shangpin_id spid sku",
        "商品编号 商品ID 商品id",
        (WHOLE, TEXT),
    ),
    "product": (
        "product_name goods_name productname goodsname commodity_name item_name goods_title product_title title subject"
        " shangpin spmc product item name",
        "商品名 商品标题 名称",
        (TEXT,),
    ),
    "price": ("goods_price unit_price single_price product_price danjia price", "单价", (DECIMAL, WHOLE)),
    "quantity": (
        "buy_amount quantity qty buy_num count card_num num shuliang sl ocount number amount",
        "数量",
        (WHOLE,),
    ),
    "paid": (
        "actual_price paid_amount pay_amount amount_paid actual_amount real_price paymoney pay_money total_paid"
        " total_amount order_amount amount total_price total money paid grand_total jine je sum price",
        "实付 支付金额 付款金额 订单金额 金额 总价",
        (DECIMAL, WHOLE),
    ),
    "refunded": ("refunded_amount refund_amount refund_money amount_refunded refunded", "退款金额", (DECIMAL, WHOLE)),
    "created_at": (
        "created_at create_time create_at createtime created_time addtime add_time order_time ordered_at placed_at"
        " created gmt_create ctime xiadan_shijian xdsj date_added order_date",
        "创建时间 下单时间 添加时间",
        (TIME, WHOLE),
    ),
    "paid_at": (
        "paid_at pay_time paytime success_at payment_time paid_time pay_at paid_on payment_date fukuan_shijian",
        "支付时间 付款时间",
        (TIME, WHOLE),
    ),
    "delivered_at": (
        "delivered_at send_time delivery_time deliver_time fulfilled_at sent_at shipped_at finish_time completed_at"
        " fahuo_shijian",
        "发货时间 完成时间",
        (TIME, WHOLE),
    ),
    "password": (
        "search_pwd query_password query_pwd search_password chapwd chaxun_mima take_card_password order_password"
        " order_pwd lookup_password view_password guest_password find_pwd password passwd pwd mima",
        "查询密码 取卡密码 提取密码 密码",
        (TEXT,),
    ),
    "payment_no": (
        "trade_no pay_trade_no transaction_id transaction_no payment_no pay_no pay_sn tradeid txn_id payment_id"
        " payment_ref gateway_ref liushuihao pay_ord out_trade_no",
        "支付单号 支付订单号 流水号 交易号",
        (TEXT,),
    ),
    "contact": (
        "email buyer_email customer_email guest_email user_email mail e_mail youxiang contact lianxi lianxi_fangshi"
        " contact_txt contact_info account qq",
        "邮箱 联系方式 邮件",
        (TEXT,),
    ),
    "bought_from": ("buy_ip create_ip client_ip customer_ip user_ip order_ip ip_address remote_addr ip", "IP", (TEXT,)),
    "deleted": (
        "deleted_at delete_time is_deleted is_delete deleted delete_at del_flag removed_at",
        "删除",
        (TIME, WHOLE),
    ),
    "codes": (
        "kami card_secret card_secrets kamis carmi delivered_codes codes cards card_info delivery_content card secret"
        " license_keys keys deliver_content delivery_info payload delivered info",
        "卡密 卡号 发货内容",
        (TEXT,),
    ),
}
OF_CARDS: Mapping[str, Words] = {
    "codes": (
        "secret carmi kami card card_no card_number license_key serial_key cdkey card_secret code serial number"
        " key pin value kahao content text",
        "卡密 卡号",
        (TEXT,),
    ),
    "code_password": ("card_password card_pwd password passwd pwd secret pin kamima mima", "密码", (TEXT,)),
    "reusable": ("is_loop is_reusable reusable reuse is_repeat", "循环 重复使用", (WHOLE,)),
    "code_deleted": OF_ORDERS["deleted"],
}
OF_GOODS: Mapping[str, Words] = {"product": OF_ORDERS["product"]}
# Words in the names of tables, of one thing or of many.
ORDER_TABLES = "order dingdan purchase sale invoice trade deal bill"
CARD_TABLES = "card carmi kami key license licence code secret voucher pin serial"
NOT_ORDERS = "item log detail complaint message coupon cart ticket refund api history card"
NOT_GOODS = "user customer member buyer account admin pay payment channel coupon agent merchant shop site"

# The first that fits counts: "未发货" before "发货".
STATUSES: Sequence[tuple[OrderStatus, str]] = (
    (
        OrderStatus.UNPAID,
        "未支付|待支付|未付|待付|等待支付|unpaid|await.*pay|wait.*pay|pending.*pay|^new$|^created$|^pending$",
    ),
    (OrderStatus.CLOSED, "过期|关闭|取消|超时|作废|expired|cancel|closed|timeout|void"),
    (OrderStatus.PARTIAL, "部分|partial"),
    (OrderStatus.REFUNDED, "退款|退货|refund|returned|reversed|chargeback"),
    (OrderStatus.FROZEN, "冻结|纠纷|投诉|frozen|hold|disput"),
    (OrderStatus.ABNORMAL, "失败|异常|错误|fail|error|abnormal"),
    (
        OrderStatus.PAID_UNDELIVERED,
        "待处理|处理中|未发|待发|^paid$|已支付|已付|processing|fulfilling|queued|wait.*(send|ship|deliver)",
    ),
    (OrderStatus.DELIVERED, "完成|已发|发货|成功|complete|deliver|done|success|finish|fulfilled|shipped|sent"),
)
_UNITS = re.compile("_(cents|fen|yuan|cny|usd|hash|hashed|md5|sha1|sha256)$")  # behind the name of what is in them
# Parts of a name that say nothing by themselves: customer_name, item_count.
_VAGUE = "name item code number key text info card count type status state total amount product price sum"
_NAMED_VALUE = re.compile(r"(-?\d+)\s*[:：=\-—、.]?\s*([^\d\s,，;；、/|()（）:：=\-]+)")


def plain_name(name: str) -> str:
    """A name in small letters with _ between its words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")


def score(column: LiveColumn, words: Words, table: str) -> int:
    """How well a column's name, remark and type fit the words; 0: not at all."""
    names, remarks, kinds = words[0].split(), words[1].split(), words[2]
    if column.holds not in kinds:
        return 0
    name, first = plain_name(column.name), plain_name(table).rstrip("s").rpartition("_")[2]
    short = _UNITS.sub("", name.removeprefix(f"{first}_").removeprefix("ord_").removeprefix("f_"))
    for at, points in ((name, 100), (short, 90)):
        if at in names:
            return points - 2 * names.index(at)
    if any(remark in column.remark for remark in remarks):
        return 60 - 5 * next(at for at, remark in enumerate(remarks) if remark in column.remark)
    parts = [one for one in names if len(one) > 2 and one not in _VAGUE.split() and f"_{one}_" in f"_{short}_"]
    return 30 + max(map(len, parts)) if parts else 0


def status_of(text: str) -> OrderStatus | None:
    """What a word for a status means."""
    plain = plain_name(text.strip())
    return next((status for status, words in STATUSES if re.search(words, plain)), None)


def statuses_in(remark: str) -> dict[str, OrderStatus]:
    """What a remark like "0未支付 1已支付" says of values."""
    named = ((value, status_of(words)) for value, words in _NAMED_VALUE.findall(remark))
    return {value: status for value, status in named if status is not None}


def automatic_in(remark: str) -> str:
    """The value that a remark like "1自动发货 2人工处理" calls automatic; "" when it names none."""
    return next((value for value, words in _NAMED_VALUE.findall(remark) if "自动" in words or "auto" in words), "")
